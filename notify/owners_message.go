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
	about := OwnerWarning{Service: s.o.Service, OwnerID: m.OwnerID, At: m.At, Zone: recipient.Zone, Total: len(m.Notices), Page: s.o.Page}
	var message Message
	var err error
	if m.Notices[0].DeletedAt.IsZero() {
		about = s.warning(m, about)
		message, err = texts.OwnerMessage(about)
	} else {
		message, err = texts.DeletionMessage(s.deletion(m, about))
	}
	if err != nil {
		return Message{}, &Error{Channel: s.o.Channel.Name(), Permanent: true, Err: err}
	}
	message.ID = m.ID
	message.Unsubscribe, message.OneClick = cmp.Or(recipient.Unsubscribe, about.KeepLink, s.o.Page), recipient.Unsubscribe != ""
	return message, nil
}

// warning adds the sessions of a message and the link to a warning.
func (s *sender) warning(m sessioncleanup.NoticeMessage, w OwnerWarning) OwnerWarning {
	for _, n := range m.Notices {
		session := sessioncleanup.Session{AutoCleanup: true, LastActivity: n.For, DeactivatedAt: n.For, Warning: n.Warning, Tags: n.Tags} // as far as it matters here
		w.Sessions = append(w.Sessions, WarnedSession{
			ID: n.SessionID, Name: n.Name, UnusedSince: n.For, DeleteAt: m.Cutoffs.DeleteAt(session), Rule: m.Cutoffs.DecidedBy(sessioncleanup.ActionDeleted, n.Tags),
		})
	}
	if s.o.Links != nil && m.OwnerID != "" {
		w.KeepLink = s.o.Links.URL(keeplink.Grant{Owner: m.OwnerID, Until: w.Last().Add(linkGrace), Zone: w.Zone})
	}
	return w
}

// deletion adds the sessions that runs deleted.
func (s *sender) deletion(m sessioncleanup.NoticeMessage, about OwnerWarning) OwnerDeletion {
	p := s.o.Manager.Policy()
	d := OwnerDeletion{OwnerWarning: about, Archived: p.Archive.Or(false)}
	for _, n := range m.Notices {
		gone := DeletedSession{ID: n.SessionID, Name: n.Name, UnusedSince: n.For, DeletedAt: n.DeletedAt}
		if keep := p.ArchiveKeepOf(n.Tags); d.Archived && keep != sessioncleanup.Never {
			gone.RestoreUntil = n.DeletedAt.Add(keep)
		}
		d.Deleted = append(d.Deleted, gone)
	}
	return d
}
