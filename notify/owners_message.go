package notify

import (
	"cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/keeplink"
)

// message writes the message to an owner.
func (s *sender) message(m sessioncleanup.NoticeMessage, recipient Recipient) (Message, error) {
	texts := s.o.Texts[recipient.Language]
	if texts == nil {
		texts = s.o.Texts[s.o.Language]
	}
	if !m.Notices[0].DeletedAt.IsZero() {
		return s.deletion(m, recipient, texts)
	}
	w := OwnerWarning{Service: s.o.Service, OwnerID: m.OwnerID, At: m.At, Zone: recipient.Zone, Total: len(m.Notices), Page: s.o.Page}
	for _, n := range m.Notices {
		session := sessioncleanup.Session{AutoCleanup: true, LastActivity: n.For, DeactivatedAt: n.For, Warning: n.Warning, Tags: n.Tags} // as far as it matters here
		w.Sessions = append(w.Sessions, WarnedSession{
			ID: n.SessionID, Name: n.Name, UnusedSince: n.For, DeleteAt: m.Cutoffs.DeleteAt(session), Rule: m.Cutoffs.DecidedBy(sessioncleanup.ActionDeleted, n.Tags),
		})
	}
	if s.o.Links != nil && m.OwnerID != "" {
		w.KeepLink = s.o.Links.URL(keeplink.Grant{Owner: m.OwnerID, Until: w.Last().Add(linkGrace), Zone: recipient.Zone})
	}
	message, err := texts.OwnerMessage(w)
	if err != nil {
		return Message{}, &Error{Channel: s.o.Channel.Name(), Permanent: true, Err: err}
	}
	message.ID = m.ID
	return recipient.unsubscribed(message, cmp.Or(w.KeepLink, s.o.Page)), nil
}

// deletion writes the message about sessions that runs deleted.
func (s *sender) deletion(m sessioncleanup.NoticeMessage, recipient Recipient, texts *Texts) (Message, error) {
	d := OwnerDeletion{OwnerWarning: OwnerWarning{Service: s.o.Service, OwnerID: m.OwnerID, At: m.At, Zone: recipient.Zone, Total: len(m.Notices), Page: s.o.Page}}
	p := s.o.Manager.Policy()
	d.Archived = p.Archive.Or(false)
	for _, n := range m.Notices {
		gone := DeletedSession{ID: n.SessionID, Name: n.Name, UnusedSince: n.For, DeletedAt: n.DeletedAt}
		if keep := p.ArchiveKeepOf(n.Tags); d.Archived && keep != sessioncleanup.Never {
			gone.RestoreUntil = n.DeletedAt.Add(keep)
		}
		d.Deleted = append(d.Deleted, gone)
	}
	message, err := texts.DeletionMessage(d)
	if err != nil {
		return Message{}, &Error{Channel: s.o.Channel.Name(), Permanent: true, Err: err}
	}
	message.ID = m.ID
	return recipient.unsubscribed(message, s.o.Page), nil
}
