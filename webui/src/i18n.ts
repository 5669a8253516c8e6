// Texts in both languages. {name} is replaced; an object has a text for each plural category of n.
type Text = string | { one: string; other: string };

const en = {
  sessions: "Sessions", trash: "Trash", history: "History", overview: "Overview", archive: "Archive", log: "Audit log", main: "Views",
  openCount: { one: "{n} open", other: "{n} open" },
  closesTonight: { one: "{n} closes tonight", other: "{n} close tonight" },
  closesWithin: { one: "{n} closes within {h} hours", other: "{n} close within {h} hours" },
  deletedWhen: "1 is deleted {when}", deletedWithin: { one: "{n} is deleted within {d} days", other: "{n} are deleted within {d} days" },
  nothingSoon: "Nothing closes or is deleted soon.", noneYet: "No sessions yet",
  noneYetHint: "Sessions appear here as soon as the application creates one.",
  soon: "Next up", allSessions: "All sessions", allOf: "All sessions of {name}",
  live: "Live", closing: "Closing", closed: "Closed", deleting: "Deletion due", protected: "Protected",
  closesAt: "closes {when} unless used", closingAt: "closes {when}", deletedAt: "deleted {when}", staysOpen: "stays open", staysClosed: "kept, no deletion",
  neverCleaned: "kept until you end it", now: "with the next cleanup", left: "{p} % of the time is left",
  used: "used {when}", rows: { one: "{n} entry", other: "{n} entries" }, owner: "Owner", unnamed: "Untitled", code: "code {code}",
  keep: "Keep", close: "Close", reopen: "Reopen", remove: "Delete", protect: "Protect", unprotect: "Unprotect", more: "More",
  keepTitle: { one: "Keep “{name}”", other: "Keep {n} sessions" }, keepHint: "For how long may nothing delete it?",
  keepDays: { one: "{n} day", other: "{n} days" }, keepDaysHint: "not deleted before {when}", keepAlways: "Always", keepAlwaysHint: "never closed or deleted automatically, until you end it",
  cancel: "Cancel", confirm: "Confirm", ok: "Done", dismiss: "Dismiss", undo: "Undo", retry: "Try again",
  deleteTitle: { one: "Delete “{name}”?", other: "Delete {n} sessions?" },
  deleteAlong: "Deleted along with it:", unlinkedAlong: "Kept, but no longer linked to it:", nothingAlong: "No other data is deleted along with it.",
  rowsOf: { one: "{n} row in {table}", other: "{n} rows in {table}" }, atLeast: "more than ", rowsIn: "rows in {table}",
  toTrash: "It stays in the trash for {n} days. Until then it can be restored.", toTrashForever: "It stays in the trash and can be restored.",
  permanent: "Deletion is permanent: it cannot be undone.", bulkAlong: "Everything that belongs to these sessions is deleted along with them.",
  didDeactivate: { one: "“{name}” is closed.", other: "{n} sessions are closed." }, didReactivate: { one: "“{name}” is open again.", other: "{n} sessions are open again." },
  didKeep: { one: "“{name}” is kept.", other: "{n} sessions are kept." }, didProtect: { one: "“{name}” is protected.", other: "{n} sessions are protected." },
  didUnprotect: { one: "“{name}” is no longer protected.", other: "{n} sessions are no longer protected." },
  didDelete: { one: "“{name}” is deleted.", other: "{n} sessions are deleted." }, didRestore: "“{name}” is back.",
  skippedSome: { one: "{n} was changed meanwhile and left alone.", other: "{n} were changed meanwhile and left alone." },
  failedSome: { one: "{n} could not be changed.", other: "{n} could not be changed." },
  search: "Search by name, code or ID", status: "Status", any: "All", s_active: "Open", s_to_deactivate: "Due to close", s_inactive: "Closed", s_to_delete: "Due for deletion", s_protected: "Protected",
  sort: "Order", o_recent: "Recently used", o_oldest: "Longest unused", o_created: "Newest", o_name: "Name", ownerFilter: "Owner ID",
  noMatch: "No session matches", noMatchHint: "Change the search or the filter.", clear: "Clear filters",
  previous: "Previous", next: "Next", page: "Page {n}", pages: "Pages",
  selected: { one: "{n} selected", other: "{n} selected" }, selectAll: "Select all on this page", selectOne: "Select {name}", selectMatching: "Select all that match", matching: { one: "{n} session matches", other: "{n} sessions match" }, unselect: "Clear selection",
  working: "Working…", progress: "{done} of {total}", stop: "Stop", stopped: "Stopped. What was done until then stays done.",
  trashEmpty: "The trash is empty", trashEmptyHint: "Deleted sessions stay here for a while and can be restored.",
  trashLead: "Deleted sessions, newest first.", deletedBy: "deleted {when} by {who}", purged: "gone for good {when}", noPurge: "kept", restore: "Restore",
  withRows: { one: "with {n} row", other: "with {n} rows" }, blockedTitle: "“{name}” cannot be restored", inTable: "Table {table}",
  historyEmpty: "Nothing has happened yet", historyEmptyHint: "Every change is listed here: what, when, why and by whom.",
  you: "you", system: "automatic cleanup", anAdmin: "an admin", byWho: "by {who}", inRun: "run {run}", r_scheduled: "on schedule",
  a_deactivated: "Closed", a_reactivated: "Reopened", a_deleted: "Deleted", a_auto_cleanup_on: "Protection ended", a_auto_cleanup_off: "Protected", a_expiry_set: "Deadline changed",
  a_activity_corrected: "Activity corrected", a_restored: "Restored", a_purged: "Gone for good", a_scheduled: "Schedule started", a_run: "Cleanup",
  countSessions: { one: "{n} session", other: "{n} sessions" }, andMore: { one: "and {n} more", other: "and {n} more" }, older: "Show older", allActions: "All actions", sessionId: "Session ID", runId: "Run", csv: "Export CSV", exporting: "Exporting… {n}",
  dayAt: "{day} at {time}", onDate: "on {date}", lastRunDid: "{last}: {did}.", anOwner: "Owner {id}", admin: "Admin",
  healthy: "Cleanup is running well.", notYet: "No cleanup has run yet.", attention: { one: "{n} thing needs attention.", other: "{n} things need attention." },
  lastRun: "Last run {when}", neverRan: "Nothing was cleaned so far", lastDid: "{deleted} deleted, {closed} closed", lastFailed: "it failed", lastRefused: "the deletion limit stopped it", nextRun: "Next run {when}", noSchedule: "This server schedules no runs", overdue: "A scheduled run is overdue since {when}",
  total: "Sessions", open: "Open", due: "Due now", failures: "Failures of the last run", activityRate: "{p} % are open", ofAll: "{p} % of all",
  composition: "What there is", showSessions: "Show sessions", allowOnce: "Allow once", allowTitle: { one: "Delete {n} session?", other: "Delete {n} sessions?" }, allowHint: "The deletion limit stopped the last run because it would have deleted unusually many sessions. Check the clock and the thresholds first. This allows at most {n} deletions, once.",
  simulate: "Simulate a cleanup", simulateHint: "See exactly what a cleanup would do. Nothing is changed.", simulateGo: "Simulate", onlyOwner: "Only this owner", everybody: "all owners", inactiveHours: "Close after (hours unused)", deleteDays: "Delete after (days closed)", byPolicy: "as configured",
  wouldDelete: { one: "{n} would be deleted", other: "{n} would be deleted" }, wouldClose: { one: "{n} would be closed", other: "{n} would be closed" }, nothingDue: "Nothing is due.", wouldPurge: { one: "{n} would leave the trash for good", other: "{n} would leave the trash for good" },
  limitWould: "This is above the deletion limit, which stops accidents. Continue only if you expect this.", firstOf: "The first {n}",
  cleanExactly: "Clean exactly this", cleaning: "Cleaning…", cleanDone: "Done: {deleted} deleted, {closed} closed.", cleanIssues: "{skipped} skipped, {failed} failed.", reverse: "Reopen what this run closed", reversed: { one: "{n} session is open again.", other: "{n} sessions are open again." }, again: "Simulate again",
  offline: "The server cannot be reached. What you see may be old.", offlineDo: "It is tried again automatically.",
  unavailable: "The database does not answer at the moment. What you see may be old.", expired: "Your login has expired", expiredHint: "Log in again to continue. Nothing is lost.", needLogin: "Log in to see sessions", needLoginHint: "Log in to the application, then reload this page.",
  logIn: "Log in", logOut: "Log out", noAccess: "Your role has no access to sessions", noAccessHint: "Ask an admin if you need it.", failed: "That did not work", readOnly: "Read-only",
  gone: "This session is gone: somebody deleted it meanwhile.", loading: "Loading…", liveOn: "Live", liveOff: "Not live: updated every {n} s", theme: "Theme", t_auto: "Automatic", t_light: "Light", t_dark: "Dark", language: "Français", owners: "Owner",
  untracked: "Nothing shows when sessions are used: idle sessions are never due.", neverDue: { one: "{n} session can never become due.", other: "{n} sessions can never become due." },
  when: "When", what: "What", which: "Sessions", who: "By whom", why: "Why",
} satisfies Record<string, Text>;

const fr: Record<keyof typeof en, Text> = {
  sessions: "Sessions", trash: "Corbeille", history: "Historique", overview: "Vue d’ensemble", archive: "Archive", log: "Journal", main: "Vues",
  openCount: { one: "{n} ouverte", other: "{n} ouvertes" },
  closesTonight: { one: "{n} se ferme cette nuit", other: "{n} se ferment cette nuit" },
  closesWithin: { one: "{n} se ferme d’ici {h} heures", other: "{n} se ferment d’ici {h} heures" },
  deletedWhen: "1 est supprimée {when}", deletedWithin: { one: "{n} est supprimée d’ici {d} jours", other: "{n} sont supprimées d’ici {d} jours" },
  nothingSoon: "Rien ne se ferme ni n’est supprimé bientôt.", noneYet: "Pas encore de session",
  noneYetHint: "Les sessions apparaissent ici dès que l’application en crée une.",
  soon: "À venir", allSessions: "Toutes les sessions", allOf: "Toutes les sessions de {name}",
  live: "Ouverte", closing: "Se ferme", closed: "Fermée", deleting: "À supprimer", protected: "Protégée",
  closesAt: "se ferme {when} sauf utilisation", closingAt: "se ferme {when}", deletedAt: "supprimée {when}", staysOpen: "reste ouverte", staysClosed: "conservée, sans suppression",
  neverCleaned: "conservée jusqu’à nouvel ordre", now: "au prochain nettoyage", left: "il reste {p} % du temps",
  used: "utilisée {when}", rows: { one: "{n} élément", other: "{n} éléments" }, owner: "Propriétaire", unnamed: "Sans titre", code: "code {code}",
  keep: "Conserver", close: "Fermer", reopen: "Rouvrir", remove: "Supprimer", protect: "Protéger", unprotect: "Déprotéger", more: "Plus",
  keepTitle: { one: "Conserver « {name} »", other: "Conserver {n} sessions" }, keepHint: "Pendant combien de temps rien ne doit-il la supprimer ?",
  keepDays: { one: "{n} jour", other: "{n} jours" }, keepDaysHint: "pas de suppression avant le {when}", keepAlways: "Toujours", keepAlwaysHint: "jamais fermée ni supprimée automatiquement, jusqu’à nouvel ordre",
  cancel: "Annuler", confirm: "Confirmer", ok: "Terminé", dismiss: "Fermer ce message", undo: "Annuler la suppression", retry: "Réessayer",
  deleteTitle: { one: "Supprimer « {name} » ?", other: "Supprimer {n} sessions ?" },
  deleteAlong: "Supprimé en même temps :", unlinkedAlong: "Conservé, mais sans lien avec elle :", nothingAlong: "Aucune autre donnée n’est supprimée en même temps.",
  rowsOf: { one: "{n} ligne dans {table}", other: "{n} lignes dans {table}" }, atLeast: "plus de ", rowsIn: "des lignes dans {table}",
  toTrash: "Elle reste {n} jours dans la corbeille. D’ici là, elle peut être restaurée.", toTrashForever: "Elle reste dans la corbeille et peut être restaurée.",
  permanent: "La suppression est définitive : elle ne peut pas être annulée.", bulkAlong: "Tout ce qui dépend de ces sessions est supprimé en même temps.",
  didDeactivate: { one: "« {name} » est fermée.", other: "{n} sessions sont fermées." }, didReactivate: { one: "« {name} » est rouverte.", other: "{n} sessions sont rouvertes." },
  didKeep: { one: "« {name} » est conservée.", other: "{n} sessions sont conservées." }, didProtect: { one: "« {name} » est protégée.", other: "{n} sessions sont protégées." },
  didUnprotect: { one: "« {name} » n’est plus protégée.", other: "{n} sessions ne sont plus protégées." },
  didDelete: { one: "« {name} » est supprimée.", other: "{n} sessions sont supprimées." }, didRestore: "« {name} » est de retour.",
  skippedSome: { one: "{n} a changé entre-temps et n’a pas été touchée.", other: "{n} ont changé entre-temps et n’ont pas été touchées." },
  failedSome: { one: "{n} n’a pas pu être modifiée.", other: "{n} n’ont pas pu être modifiées." },
  search: "Chercher un nom, un code ou un ID", status: "État", any: "Toutes", s_active: "Ouvertes", s_to_deactivate: "À fermer", s_inactive: "Fermées", s_to_delete: "À supprimer", s_protected: "Protégées",
  sort: "Ordre", o_recent: "Utilisées récemment", o_oldest: "Inutilisées depuis longtemps", o_created: "Plus récentes", o_name: "Nom", ownerFilter: "ID du propriétaire",
  noMatch: "Aucune session ne correspond", noMatchHint: "Modifiez la recherche ou le filtre.", clear: "Effacer les filtres",
  previous: "Précédent", next: "Suivant", page: "Page {n}", pages: "Pages",
  selected: { one: "{n} sélectionnée", other: "{n} sélectionnées" }, selectAll: "Tout sélectionner sur cette page", selectOne: "Sélectionner {name}", selectMatching: "Sélectionner toutes celles qui correspondent", matching: { one: "{n} session correspond", other: "{n} sessions correspondent" }, unselect: "Tout désélectionner",
  working: "En cours…", progress: "{done} sur {total}", stop: "Arrêter", stopped: "Arrêté. Ce qui est fait reste fait.",
  trashEmpty: "La corbeille est vide", trashEmptyHint: "Les sessions supprimées y restent un temps et peuvent être restaurées.",
  trashLead: "Sessions supprimées, les plus récentes d’abord.", deletedBy: "supprimée {when} par {who}", purged: "effacée {when}", noPurge: "conservée", restore: "Restaurer",
  withRows: { one: "avec {n} ligne", other: "avec {n} lignes" }, blockedTitle: "« {name} » ne peut pas être restaurée", inTable: "Table {table}",
  historyEmpty: "Il ne s’est encore rien passé", historyEmptyHint: "Chaque changement figure ici : quoi, quand, pourquoi et par qui.",
  you: "vous", system: "le nettoyage automatique", anAdmin: "un administrateur", byWho: "par {who}", inRun: "nettoyage {run}", r_scheduled: "planifié",
  a_deactivated: "Fermée", a_reactivated: "Rouverte", a_deleted: "Supprimée", a_auto_cleanup_on: "Protection levée", a_auto_cleanup_off: "Protégée", a_expiry_set: "Échéance modifiée",
  a_activity_corrected: "Activité corrigée", a_restored: "Restaurée", a_purged: "Effacée définitivement", a_scheduled: "Planification démarrée", a_run: "Nettoyage",
  countSessions: { one: "{n} session", other: "{n} sessions" }, andMore: { one: "et {n} autre", other: "et {n} autres" }, older: "Afficher les plus anciens", allActions: "Toutes les actions", sessionId: "ID de session", runId: "Nettoyage", csv: "Exporter en CSV", exporting: "Export… {n}",
  dayAt: "{day} à {time}", onDate: "le {date}", lastRunDid: "{last} : {did}.", anOwner: "Propriétaire {id}", admin: "Admin",
  healthy: "Le nettoyage fonctionne bien.", notYet: "Aucun nettoyage n’a encore eu lieu.", attention: { one: "{n} point demande votre attention.", other: "{n} points demandent votre attention." },
  lastRun: "Dernier nettoyage {when}", neverRan: "Rien n’a été nettoyé jusqu’ici", lastDid: "{deleted} supprimées, {closed} fermées", lastFailed: "il a échoué", lastRefused: "la limite de suppression l’a arrêté", nextRun: "Prochain nettoyage {when}", noSchedule: "Ce serveur ne planifie aucun nettoyage", overdue: "Un nettoyage planifié est en retard depuis {when}",
  total: "Sessions", open: "Ouvertes", due: "À nettoyer", failures: "Échecs du dernier nettoyage", activityRate: "{p} % sont ouvertes", ofAll: "{p} % du total",
  composition: "Répartition", showSessions: "Voir les sessions", allowOnce: "Autoriser une fois", allowTitle: { one: "Supprimer {n} session ?", other: "Supprimer {n} sessions ?" }, allowHint: "La limite de suppression a arrêté le dernier nettoyage parce qu’il aurait supprimé un nombre inhabituel de sessions. Vérifiez d’abord l’horloge et les seuils. Ceci autorise {n} suppressions au plus, une seule fois.",
  simulate: "Simuler un nettoyage", simulateHint: "Voir exactement ce que ferait un nettoyage. Rien n’est modifié.", simulateGo: "Simuler", onlyOwner: "Seulement ce propriétaire", everybody: "tous", inactiveHours: "Fermer après (heures sans utilisation)", deleteDays: "Supprimer après (jours de fermeture)", byPolicy: "selon la configuration",
  wouldDelete: { one: "{n} serait supprimée", other: "{n} seraient supprimées" }, wouldClose: { one: "{n} serait fermée", other: "{n} seraient fermées" }, nothingDue: "Rien n’est à nettoyer.", wouldPurge: { one: "{n} quitterait la corbeille définitivement", other: "{n} quitteraient la corbeille définitivement" },
  limitWould: "C’est plus que la limite de suppression, qui évite les accidents. Ne continuez que si vous vous y attendez.", firstOf: "Les {n} premières",
  cleanExactly: "Nettoyer exactement ceci", cleaning: "Nettoyage…", cleanDone: "Terminé : {deleted} supprimées, {closed} fermées.", cleanIssues: "{skipped} ignorées, {failed} en échec.", reverse: "Rouvrir ce que ce nettoyage a fermé", reversed: { one: "{n} session est rouverte.", other: "{n} sessions sont rouvertes." }, again: "Simuler à nouveau",
  offline: "Le serveur est injoignable. L’affichage peut être ancien.", offlineDo: "Nouvel essai automatique.",
  unavailable: "La base de données ne répond pas pour l’instant. L’affichage peut être ancien.", expired: "Votre connexion a expiré", expiredHint: "Reconnectez-vous pour continuer. Rien n’est perdu.", needLogin: "Connectez-vous pour voir les sessions", needLoginHint: "Connectez-vous à l’application, puis rechargez cette page.",
  logIn: "Se connecter", logOut: "Se déconnecter", noAccess: "Votre rôle n’a pas accès aux sessions", noAccessHint: "Demandez à un administrateur si vous en avez besoin.", failed: "Cela n’a pas fonctionné", readOnly: "Lecture seule",
  gone: "Cette session n’existe plus : quelqu’un l’a supprimée entre-temps.", loading: "Chargement…", liveOn: "En direct", liveOff: "Pas en direct : actualisé toutes les {n} s", theme: "Thème", t_auto: "Automatique", t_light: "Clair", t_dark: "Sombre", language: "English", owners: "Propriétaire",
  untracked: "Rien n’indique quand les sessions sont utilisées : celles qui dorment ne sont jamais à nettoyer.", neverDue: { one: "{n} session ne sera jamais à nettoyer.", other: "{n} sessions ne seront jamais à nettoyer." },
  when: "Quand", what: "Quoi", which: "Sessions", who: "Par qui", why: "Pourquoi",
};

export type Key = keyof typeof en;
export type Lang = "en" | "fr";
export const languages: Record<Lang, Record<Key, Text>> = { en, fr };

/** Words says everything in one language. */
export class Words {
  private plural: Intl.PluralRules;
  private relative: Intl.RelativeTimeFormat;
  private numbers: Intl.NumberFormat;
  constructor(public lang: Lang) {
    this.plural = new Intl.PluralRules(lang);
    this.relative = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
    this.numbers = new Intl.NumberFormat(lang);
  }

  t(key: Key, values: Record<string, string | number> = {}): string {
    const text = languages[this.lang][key];
    const n = values.n;
    const form = typeof text === "string" ? text : typeof n === "number" && this.plural.select(n) !== "one" ? text.other : text.one;
    return form.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? this.number(values[name]) : String(values[name] ?? "")));
  }

  number(n: number): string { return this.numbers.format(n); }
  percent(part: number, of: number): string {
    const p = of ? (100 * part) / of : 0;
    return this.numbers.format(p > 0 && p < 1 ? Math.max(0.1, Math.round(10 * p) / 10) : Math.round(p));
  }
  bytes(n: number): string {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
    const i = n < 1 ? 0 : Math.min(3, Math.floor(Math.log10(n) / 3));
    return new Intl.NumberFormat(this.lang, { style: "unit", unit: units[i], unitDisplay: "short", maximumFractionDigits: 1 }).format(n / 1000 ** i);
  }

  /** when is a moment as people say it: relative when it is near. */
  when(at: string | Date, now = new Date()): string {
    const d = new Date(at), minutes = (d.getTime() - now.getTime()) / 60000, abs = Math.abs(minutes);
    if (abs < 1) return this.relative.format(0, "second");
    if (abs < 60) return this.relative.format(Math.round(minutes), "minute");
    const days = Math.round((midnight(d) - midnight(now)) / 86400000);
    if (abs < 6 * 60 || days === 0) return this.relative.format(Math.round(minutes / 60), "hour");
    if (Math.abs(days) === 1) return this.t("dayAt", { day: this.relative.format(days, "day"), time: this.time(d) });
    if (abs < 7 * 1440) return this.relative.format(days, "day");
    return this.t("onDate", { date: this.date(d, now) });
  }
  date(d: Date, now = new Date()): string {
    const year = d.getFullYear() === now.getFullYear() ? {} : { year: "numeric" as const };
    return new Intl.DateTimeFormat(this.lang, { day: "numeric", month: "long", ...year }).format(d);
  }
  full(at: string | Date): string { return new Intl.DateTimeFormat(this.lang, { dateStyle: "full", timeStyle: "short" }).format(new Date(at)); }
  day(at: string | Date): string { return new Intl.DateTimeFormat(this.lang, { weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(new Date(at)); }
  time(at: string | Date): string { return new Intl.DateTimeFormat(this.lang, { timeStyle: "short" }).format(new Date(at)); }
}

function midnight(d: Date): number { return new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime(); }
