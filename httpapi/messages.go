package httpapi

import (
	"net/http"

	"github.com/sessioncleanup/sessioncleanup"
)

// The problems. Their names are the headings of docs/http.md.
var (
	invalidRequest = &kind{"invalid-request", http.StatusBadRequest, text{"Invalid request", "Requête invalide"}, msgInvalid}

	unauthenticated = &kind{
		"unauthenticated", http.StatusUnauthorized, text{"Not authenticated", "Non authentifié"},
		text{"This needs valid credentials.", "Des identifiants valides sont nécessaires."},
	}
	forbidden = &kind{
		"forbidden", http.StatusForbidden, text{"Not allowed", "Non autorisé"},
		text{"Your role does not allow this.", "Votre rôle ne le permet pas."},
	}
	readOnly = &kind{
		"read-only", http.StatusForbidden, text{"Read-only", "Lecture seule"},
		text{"Nothing can be changed here.", "Rien ne peut être modifié ici."},
	}
	crossOrigin = &kind{
		"cross-origin", http.StatusForbidden, text{"Request from another site", "Requête venant d'un autre site"},
		text{"A page of another site may not change anything here.", "La page d'un autre site ne peut rien modifier ici."},
	}
	notFound = &kind{
		"not-found", http.StatusNotFound, text{"Not found", "Introuvable"},
		text{"There is no such session.", "Cette session n'existe pas."},
	}
	methodNotAllowed = &kind{
		"method-not-allowed", http.StatusMethodNotAllowed, text{"Method not allowed", "Méthode non autorisée"},
		text{"This path does not support this method; the Allow header lists those that it supports.", "Ce chemin n'accepte pas cette méthode ; l'en-tête Allow indique celles qu'il accepte."},
	}
	alreadyRunning = &kind{
		"already-running", http.StatusConflict, text{"Another run is already running", "Un nettoyage est déjà en cours"},
		text{"Another run is already running. Try again when it has ended.", "Un nettoyage est déjà en cours. Réessayez quand il sera terminé."},
	}
	disabled = &kind{
		"cleanup-disabled", http.StatusConflict, text{"Cleanup is disabled", "Le nettoyage est désactivé"},
		text{"The policy says that no cleanup may run.", "Les règles interdisent tout nettoyage."},
	}
	paused = &kind{
		"cleanup-paused", http.StatusConflict, text{"Cleanup is paused", "Le nettoyage est en pause"},
		text{"Cleanup is paused until %s, by %s: %s", "Le nettoyage est en pause jusqu'à %s, par %s : %s"},
	}
	notStored = &kind{
		"policy-not-stored", http.StatusConflict, text{"The policy cannot be changed here", "Les règles ne peuvent pas être modifiées ici"},
		text{"The program sets the policy: it does not follow a stored one.", "Le programme fixe les règles : il n'en lit pas dans la base de données."},
	}
	clocksDiffer = &kind{
		"clocks-differ", http.StatusConflict, text{"The clocks differ", "Les horloges diffèrent"},
		text{
			"The clocks of the database and of the server differ by more than 10 minutes. Nothing was changed; the server's log has both.",
			"Les horloges de la base de données et du serveur diffèrent de plus de 10 minutes. Rien n'a été modifié ; le journal du serveur contient les deux.",
		},
	}
	otherSessions = &kind{
		"other-sessions", http.StatusConflict, text{"Other sessions would be deleted", "D'autres sessions seraient supprimées"},
		text{
			"Other sessions would be deleted along with it. Delete them first, or, as an admin, allow it with ?cascade=true.",
			"D'autres sessions seraient supprimées avec elle. Supprimez-les d'abord ou, en tant qu'administrateur, autorisez-le avec ?cascade=true.",
		},
	}
	unexpected = &kind{
		"more-than-expected", http.StatusConflict, text{"More sessions than expected", "Plus de sessions que prévu"},
		text{"More than the %d sessions expected match. Nothing was changed; count them again.", "Plus que les %d sessions prévues correspondent. Rien n'a été modifié ; recomptez-les."},
	}
	kept = &kind{
		"kept", http.StatusConflict, text{"The application keeps the session", "L'application conserve la session"},
		text{"The application does not let it be deleted for now. The server's log says why.", "L'application ne permet pas sa suppression pour le moment. Le journal du serveur dit pourquoi."},
	}
	obstructed = &kind{
		"obstructed", http.StatusConflict, text{"The session cannot be restored", "La session ne peut pas être restaurée"},
		text{"Something is in the way, see obstacles. Nothing was changed.", "Quelque chose s'y oppose, voir obstacles. Rien n'a été modifié."},
	}
	onHold = &kind{
		"held", http.StatusConflict, text{"Held in the archive", "Retenue dans l'archive"},
		text{"It is held, so it is neither restored nor purged. An admin can release it. Nothing was changed.", "Elle est retenue : elle n'est ni restaurée ni purgée. Un administrateur peut lever la retenue. Rien n'a été modifié."},
	}
	unarchivable = &kind{
		"too-large-to-archive", http.StatusConflict, text{"Too large for the archive", "Trop grande pour l'archive"},
		text{"More rows belong to the session than may be archived, so it was not deleted.", "Trop de lignes dépendent de la session pour l'archiver : elle n'a pas été supprimée."},
	}
	invalidLink = &kind{
		"invalid-link", http.StatusBadRequest, text{"This link is not valid", "Ce lien n'est pas valable"},
		text{"A part of it is missing or changed. Open it again from the message, as a whole.", "Une partie manque ou a changé. Ouvrez-le de nouveau depuis le message, en entier."},
	}
	expiredLink = &kind{
		"expired-link", http.StatusGone, text{"This link has expired", "Ce lien a expiré"},
		text{"It was valid until %s. Log in to the application to keep a session.", "Il était valable jusqu'au %s. Connectez-vous à l'application pour garder une session."},
	}
	changed = &kind{
		"changed-meanwhile", http.StatusPreconditionFailed, text{"Changed meanwhile", "Modifié entre-temps"},
		text{"The session is no longer as If-Match says.", "La session n'est plus telle que If-Match l'indique."},
	}
	tooLarge = &kind{
		"body-too-large", http.StatusRequestEntityTooLarge, text{"Body too large", "Corps trop grand"},
		text{"The body may have 64 KiB at most.", "Le corps peut compter 64 Kio au plus."},
	}
	notJSON = &kind{
		"unsupported-media-type", http.StatusUnsupportedMediaType, text{"Unsupported media type", "Type de contenu non pris en charge"},
		text{"The body must be JSON, with the Content-Type application/json and no Content-Encoding.", "Le corps doit être en JSON, avec le Content-Type application/json et sans Content-Encoding."},
	}
	tooManyDeletions = &kind{
		"too-many-deletions", http.StatusUnprocessableEntity, text{"Too many sessions would be deleted", "Trop de sessions seraient supprimées"}, msgTooMany,
	}
	unconfirmed = &kind{"confirmation-required", http.StatusPreconditionRequired, text{"Confirmation required", "Confirmation obligatoire"}, msgConfirm}

	tooManyRequests = &kind{
		"too-many-requests", http.StatusTooManyRequests, text{"Too many requests", "Trop de requêtes"},
		text{"Too many requests. Retry-After says when to continue.", "Trop de requêtes. Retry-After indique quand reprendre."},
	}
	internal = &kind{
		"internal-error", http.StatusInternalServerError, text{"Internal error", "Erreur interne"},
		text{"The request failed. The server's log has the details.", "La requête a échoué. Le journal du serveur contient les détails."},
	}
	noStream = &kind{
		"no-stream", http.StatusNotImplemented, text{"No live stream", "Pas de flux en direct"},
		text{"This server cannot stream responses.", "Ce serveur ne peut pas envoyer une réponse par morceaux."},
	}
	unavailable = &kind{
		"unavailable", http.StatusServiceUnavailable, text{"Unavailable", "Indisponible"},
		text{"The database is unavailable at the moment. Try again shortly.", "La base de données est momentanément injoignable. Réessayez dans un instant."},
	}
	counting = &kind{
		"counting", http.StatusServiceUnavailable, text{"Counting", "Comptage en cours"},
		text{"There are so many sessions that counting them for the first time takes a while. Ask again in a few seconds.", "Les sessions sont si nombreuses que leur premier comptage prend un moment. Redemandez dans quelques secondes."},
	}
	tooManyWatchers = &kind{
		"too-many-watchers", http.StatusServiceUnavailable, text{"Too many watchers", "Trop d'observateurs"},
		text{"Too many clients are watching the live stream.", "Trop de clients suivent déjà le flux en direct."},
	}
)

// Details of problems. Those for wrong begin with the name of the field.
var (
	msgLongProposal = text{"Counting what a run would do with these values took longer than a minute. A simulated cleanup takes its time.", "Compter ce que ces valeurs changeraient a pris plus d'une minute. Un nettoyage simulé prend le temps qu'il faut."}
	msgInvalid      = text{"The request is not valid.", "La requête n'est pas valide."}
	msgNoRoute      = text{"There is nothing at this path.", "Il n'y a rien à ce chemin."}
	msgQuery        = text{"The query cannot be read.", "Les paramètres de l'URL sont illisibles."}
	msgUnknown      = text{"%s is not known here: want one of %s.", "%s n'est pas connu ici : attendu l'un de %s."}
	msgNothingKnown = text{"%s is not known here: this takes none.", "%s n'est pas connu ici : il n'y en a aucun."}
	msgTwice        = text{"%s is duplicated.", "%s figure deux fois."}
	msgFraction     = text{"%s is %.100s: want a number above 0 and up to 1.", "%s vaut %.100s : attendu un nombre supérieur à 0 et au plus 1."}
	msgSetByProgram = text{"%s is set by the program, its flags or its environment; the stored value does not count.", "%s est fixé par le programme, ses options ou son environnement ; la valeur de la base ne compte pas."}
	msgMoreDeleted  = text{
		"The next run would remove %d sessions instead of %d. Confirm that with the query in confirm.",
		"Le prochain nettoyage supprimerait %d sessions au lieu de %d. Confirmez avec la requête indiquée dans confirm.",
	}
	msgUntilOrHours = text{"%s or hours is needed, one of the two.", "%s ou hours est nécessaire, l'un des deux."}
	msgUntil        = text{"%s is not within the next year.", "%s n'est pas dans l'année à venir."}

	msgMissing       = text{"%s is missing.", "%s manque."}
	msgOneOf         = text{"%s is %.100q: want one of %s.", "%s vaut %.100q : attendu l'une des valeurs %s."}
	msgWhole         = text{"%s is %.100q: want a whole number from 1 to %d.", "%s vaut %.100q : attendu un nombre entier de 1 à %d."}
	msgText          = text{"%s is %.100q: want UTF-8 without NUL, at most %d bytes.", "%s vaut %.100q : attendu de l'UTF-8 sans NUL, %d octets au plus."}
	msgOwner         = text{"%s is %.100s: want an ID in UTF-8 without NUL, from 1 to %d bytes.", "%s vaut %.100s : attendu un identifiant en UTF-8 sans NUL, de 1 à %d octets."}
	msgCursor        = text{"%s does not come from an earlier page of this list.", "%s ne vient pas d'une page précédente de cette liste."}
	msgEventID       = text{"%s is %.100q: want the id of an event.", "%s vaut %.100q : attendu l'identifiant d'un événement."}
	msgPolicyChanged = text{"Somebody else has changed the policy meanwhile. Nothing was stored: read it again.", "Quelqu'un a modifié les règles entre-temps. Rien n'a été enregistré : relisez-les."}
	msgETag          = text{"%s is not a list of entity tags, nor *.", "%s n'est ni une liste d'étiquettes d'entité, ni *."}
	msgBodyJSON      = text{"The body is not one JSON object.", "Le corps n'est pas un objet JSON unique."}
	msgBodyRead      = text{"The body could not be read.", "Le corps n'a pas pu être lu."}
	msgBoolean       = text{"%s is %.100s: want true or false.", "%s vaut %.100s : attendu true ou false."}
	msgCount         = text{"%s is %.100s: want a whole number from 1.", "%s vaut %.100s : attendu un nombre entier à partir de 1."}
	msgNoRules       = text{"%s: this database does not follow rules by tag.", "%s : cette base de données n'applique pas de règles par étiquette."}
	msgRules         = text{"%s cannot be read: %v.", "%s ne se lit pas : %v."}
	msgQuotes        = text{"%s is %.100s: want text in quotes.", "%s vaut %.100s : attendu du texte entre guillemets."}
	msgThreshold     = text{"%s is %.100s: want a positive number, up to 100 years, or \"never\".", "%s vaut %.100s : attendu un nombre positif, 100 ans au plus, ou \"never\"."}
	msgTime          = text{"%s is %.100s: want a time in RFC 3339 from 1970 to 9999, or null.", "%s vaut %.100s : attendu une date RFC 3339 de 1970 à 9999, ou null."}
	msgTooMany       = text{"The deletion limit stopped the deletion: %d sessions are due for it, more than %g%% of all. None was deleted; GET view?status=to_delete shows them. Check the clock and the thresholds, then allow the deletion once with \"force\": true, or \"delete_at_most\": %d.", "La limite de suppression a arrêté la suppression : %d sessions seraient supprimées, plus de %g %% du total. Aucune ne l'a été ; GET view?status=to_delete les montre. Vérifiez l'horloge et les seuils, puis autorisez la suppression une fois avec \"force\": true ou \"delete_at_most\": %d."}
	msgMoreThan      = text{"%d sessions are due for deletion, more than the %d that delete_at_most allows. None was deleted; GET view?status=to_delete shows them. To allow it once, send \"delete_at_most\": %d, or \"force\": true.", "%d sessions seraient supprimées, plus que les %d autorisées par delete_at_most. Aucune ne l'a été ; GET view?status=to_delete les montre. Pour l'autoriser une fois, envoyez \"delete_at_most\": %d ou \"force\": true."}
	msgFromTo        = text{"%s is %.100s: want a whole number from 1 to %d.", "%s vaut %.100s : attendu un nombre entier de 1 à %d."}
	msgIDs           = text{"%s: want a list of 1 to %d IDs in UTF-8 without NUL, of %d bytes at most.", "%s : attendu une liste de 1 à %d identifiants en UTF-8 sans NUL, de %d octets au plus."}
	msgEither        = text{"%s cannot be combined with status, owner, q or tags.", "%s ne se combine pas avec status, owner, q ou tags."}
	msgTags          = text{"%s: want a list of 1 to %d tags: 1 to %d characters a to z, 0 to 9, and - _ . : after the first one.", "%s : attendu une liste de 1 à %d étiquettes : 1 à %d caractères a à z, 0 à 9, et - _ . : après le premier."}
	msgTagFilter     = text{"%s is %.100q: want tags such as \"vip\", \"vip|gold -test\".", "%s vaut %.100q : attendu des étiquettes comme « vip » ou « vip|gold -test »."}
	msgAddedToo      = text{"%s has a tag that is to be added.", "%s contient une étiquette à ajouter."}
	msgManyTags      = text{"%s: the session would have more than %d tags.", "%s : la session aurait plus de %d étiquettes."}
	msgColumnTag     = text{"%s: the tag %.60q follows the column %.60q: change the column instead.", "%s : l'étiquette %.60q suit la colonne %.60q : changez plutôt la colonne."}
	msgNoTags        = text{"There are no tags here.", "Il n'y a pas d'étiquettes ici."}
	msgRecent        = text{"%s is %.100s: want a time within the last hour.", "%s vaut %.100s : attendu une date de moins d'une heure."}
	msgNoRun         = text{"There is no such run in the log, or it deactivated nothing.", "Ce nettoyage n'est pas dans le journal, ou n'a rien désactivé."}
	msgNotArchived   = text{"The archive has no such entry: it was restored or purged, or it never was.", "L'archive n'a pas cette entrée : elle a été restaurée ou purgée, ou n'a jamais existé."}
	msgNoErasure     = text{"Owners cannot be erased here.", "Les propriétaires ne peuvent pas être effacés ici."}
	msgNoArchive     = text{"There is no archive here.", "Il n'y a pas d'archive ici."}
	msgArchives      = text{"The session will be in the archive for a while. Send the same request with ?confirm=%s to confirm its deletion.", "La session restera un temps dans l'archive. Renvoyez la même requête avec ?confirm=%s pour confirmer sa suppression."}
	msgConfirm       = text{"Deletion is permanent. Send the same request with ?confirm=%s to confirm it.", "La suppression est définitive. Renvoyez la même requête avec ?confirm=%s pour la confirmer."}
	msgErases        = text{"All of that would be erased permanently. Send the same request with ?confirm=%s to confirm it.", "Tout cela serait effacé définitivement. Renvoyez la même requête avec ?confirm=%s pour confirmer."}
	msgStopping      = text{"The server is stopping. What was done before is kept. Try again shortly.", "Le serveur s'arrête. Ce qui est déjà fait est conservé. Réessayez dans un instant."}
	msgInterrupted   = text{"The run stopped early. What it did is kept; the next run continues from there.", "Le nettoyage a été interrompu avant la fin. Ce qui est fait est fait ; le prochain reprendra là."}
)

// The obstacles to a restore.
var msgObstacles = map[sessioncleanup.ObstacleKind]text{
	sessioncleanup.ObstacleTaken:   {"A value that must be unique, such as the ID, is in use again.", "Une valeur qui doit être unique, comme l'identifiant, est de nouveau utilisée."},
	sessioncleanup.ObstacleParent:  {"Something that it refers to is gone.", "Un élément auquel elle se rapporte n'existe plus."},
	sessioncleanup.ObstacleTable:   {"A table is gone, or belongs to somebody else.", "Une table n'existe plus, ou appartient à un autre."},
	sessioncleanup.ObstacleColumn:  {"A column is gone, or cannot hold the value any more.", "Une colonne n'existe plus, ou ne peut plus contenir la valeur."},
	sessioncleanup.ObstacleRefused: {"A rule of the application refuses it.", "Une règle de l'application la refuse."},
}

// The effect of a change, in the message of its response.
var (
	msgDeactivated   = text{"Session deactivated.", "Session désactivée."}
	msgReactivated   = text{"Session reactivated.", "Session réactivée."}
	msgRunReversed   = text{"%d sessions reactivated; %d were changed or deleted since.", "%d sessions réactivées ; %d ont changé ou ont été supprimées depuis."}
	msgDeleted       = text{"Session deleted.", "Session supprimée."}
	msgRestored      = text{"Session restored.", "Session restaurée."}
	msgWouldRestore  = text{"Nothing is in the way of restoring the session.", "Rien ne s'oppose à la restauration de la session."}
	msgHeld          = text{"The archive keeps the session until it is released.", "L'archive garde la session jusqu'à la levée de la retenue."}
	msgReleased      = text{"The session is no longer held.", "La session n'est plus retenue."}
	msgPurged        = text{"Session removed from the archive permanently.", "Session retirée définitivement de l'archive."}
	msgErased        = text{"Owner erased.", "Propriétaire effacé."}
	msgUnprotected   = text{"Automatic cleanup is on.", "Le nettoyage automatique est activé."}
	msgProtected     = text{"Automatic cleanup is off.", "Le nettoyage automatique est désactivé."}
	msgTagged        = text{"Tags changed.", "Étiquettes modifiées."}
	msgKept          = text{"The session is kept.", "La session est conservée."}
	msgPolicySet     = text{"The policy is changed.", "Les règles sont modifiées."}
	msgPaused        = text{"Cleanup is paused.", "Le nettoyage est en pause."}
	msgResumed       = text{"Cleanup is no longer paused.", "Le nettoyage n'est plus en pause."}
	msgTouched       = text{"Activity recorded.", "Activité enregistrée."}
	msgExpirySet     = text{"Expiry set.", "Expiration définie."}
	msgExpiryRemoved = text{"Expiry removed.", "Expiration supprimée."}
)

// Details of a run's results: the count, and the threshold with its unit.
var (
	hourName = text{"hour", "heure"}
	dayName  = text{"day", "jour"}

	msgDidDeactivate   = text{"Deactivated: %d, unused for more than %s, or expired", "Désactivées : %d, inutilisées depuis plus de %s, ou expirées"}
	msgWouldDeactivate = text{"Would be deactivated: %d, unused for more than %s, or expired", "À désactiver : %d, inutilisées depuis plus de %s, ou expirées"}
	msgNoDeactivation  = text{"Deactivation is off.", "La désactivation automatique est coupée."}
	msgDidDelete       = text{"Deleted: %d, unused for more than %s", "Supprimées : %d, inutilisées depuis plus de %s"}
	msgWouldDelete     = text{"Would be deleted: %d, unused for more than %s", "À supprimer : %d, inutilisées depuis plus de %s"}
	msgNoticed         = text{"Owners to warn: of %d sessions, %s before the deletion. Waiting for a warning: %d", "Propriétaires à avertir : de %d sessions, %s avant la suppression. En attente d'un avertissement : %d"}
	msgNoDeletion      = text{"Deletion is off.", "La suppression automatique est coupée."}
	msgNotDeactivated  = text{"The session could not be deactivated. The server's log has the details.", "La session n'a pas pu être désactivée. Le journal du serveur contient les détails."}
	msgNotChanged      = text{"The session could not be changed. The server's log has the details.", "La session n'a pas pu être modifiée. Le journal du serveur contient les détails."}
	msgNotDeleted      = text{"The session could not be deleted. The server's log has the details.", "La session n'a pas pu être supprimée. Le journal du serveur contient les détails."}
)

// Alerts: those in French, with the alert's arguments, and one in both languages because the Manager's message quotes the
// database.
var (
	msgRunRefused = text{
		"the last run, %s, deleted nothing: the deletion limit stopped it. GET view?status=to_delete shows the sessions; a cleanup with \"force\": true or \"delete_at_most\": N deletes them once",
		"le dernier nettoyage, %s, n'a rien supprimé : la limite de suppression l'a arrêté. GET view?status=to_delete montre les sessions ; un nettoyage avec \"force\": true ou \"delete_at_most\": N les supprime une fois",
	}
	msgRunFailed = text{"the last run, %s, failed; the server's log has the details", "le dernier nettoyage, %s, a échoué ; le journal du serveur contient les détails"}

	msgBackupFailed = text{
		"the last run, %s, left %d archived sessions without a backup, which are not purged; the server's log has the details",
		"le dernier nettoyage, %s, a laissé %d sessions archivées sans sauvegarde ; elles ne sont pas purgées ; le journal du serveur contient les détails",
	}

	alertsInFrench = map[sessioncleanup.AlertCode]string{
		sessioncleanup.AlertTooManyDue:        "%d sessions sont à nettoyer, plus de %d",
		sessioncleanup.AlertLowUse:            "%.0f %% des sessions récemment utilisées le sont encore, moins de %.0f %% : leur usage est-il enregistré ?",
		sessioncleanup.AlertLowActivity:       "%.0f %% des sessions sont actives, moins de %.0f %%",
		sessioncleanup.AlertUndeliverable:     "les propriétaires de %d sessions n'ont pas pu être avertis avant leur suppression",
		sessioncleanup.AlertOutboxStuck:       "%d avertissements de propriétaires ne sont pas remis, le plus ancien depuis %v",
		sessioncleanup.AlertClockWrong:        "les horloges de la base de données et de ce processus diffèrent de %v",
		sessioncleanup.AlertCleanupIncomplete: "le dernier nettoyage, %s, n'a pas pu traiter %d sessions",
	}
)

// The page behind a keep link.
var (
	msgKeepTitle        = text{"Keep your sessions", "Garder vos sessions"}
	msgKeepIntroduction = text{"These sessions have not been used for a while, and will be deleted. You can keep them here until %s.", "Ces sessions n'ont pas servi depuis un certain temps et seront supprimées. Vous pouvez les garder ici jusqu'au %s."}
	msgKeepNone         = text{"None of your sessions is about to be deleted.", "Aucune de vos sessions n'est sur le point d'être supprimée."}
	msgKeepUsed         = text{"Last used: %s", "Dernière utilisation : %s"}
	msgKeepDeleted      = text{"Will be deleted: %s or later", "Sera supprimée : %s ou après"}
	msgKeepFor          = text{"Keep for %s", "Garder %s"}
	msgKeepAlways       = text{"Keep always", "Garder toujours"}
	msgKeepOthers       = text{"And %d others.", "Et %d autres."}
	msgKeepAll          = text{"All %d sessions:", "Les %d sessions :"}
	msgKeptOne          = text{"Kept: %s", "Gardée : %s"}
	msgForm             = text{"The body must be a form, with the Content-Type application/x-www-form-urlencoded.", "Le corps doit être un formulaire, avec le Content-Type application/x-www-form-urlencoded."}
	msgKeptSome         = text{"Sessions kept: %d", "Sessions gardées : %d"}
)
