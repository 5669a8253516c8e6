// The client of the routes that docs/http.md describes.

export type State = "live" | "closing" | "closed" | "deleting" | "protected";
export type Action = "deactivate" | "reactivate" | "keep" | "protect" | "unprotect" | "tag" | "delete";

export interface Session {
  id: string;
  code: string;
  name: string;
  owner_id: string;
  owner_name: string;
  active: boolean;
  last_activity: string;
  created_at: string | null;
  activity_count: number;
  tags: string[];
  deactivate_rule: string;
  delete_rule: string;
  status: string;
  deactivated_at: string | null;
  warning: "waiting" | "delivered" | "undeliverable" | null;
  warned_at: string | null;
  state: State;
  state_until: string | null;
  actions: Action[];
  keep_days: number[];
}
export interface Me {
  role: string;
  id: string;
  actor: string;
  all_sessions: boolean;
  changes: boolean;
  archive: boolean;
  archives: boolean;
  tags: boolean;
  warnings: boolean;
  inactive_hours: number | null;
  delete_old_days: number | null;
  archive_keep_days: number | null;
  keep_days: number[];
}
export interface Upcoming {
  within_hours: number;
  count: number;
  more: boolean;
  sessions: Session[];
}
export interface Summary {
  at: string;
  total: number | null; // null, as the next three, while they are still counted
  open: number | null;
  closed: number | null;
  protected: number | null;
  closing: Upcoming;
  deleting: Upcoming;
  next_run_at: string | null;
  overdue_seconds: number;
}
export interface Phase {
  action: string;
  due: number;
  done: number;
  skipped: number;
  failed: number;
}
export interface SessionRef {
  id: string;
  owner_id?: string;
  name?: string;
}
export interface Event {
  id: number;
  at: string;
  action: string;
  session_count: number;
  sessions: SessionRef[];
  actor: string;
  reason: string;
  run_id: string | null;
  run: { started_at: string; phases: Phase[]; duration_seconds: number; failed: boolean; refused: boolean; partial: boolean } | null;
  until?: string;
}
export interface Setting {
  name: string;
  value: number | boolean | string | null;
  origin: "program" | "database" | "default";
  editable: boolean;
}
export interface Due {
  deactivate: number;
  delete: number;
  purge: number;
}
export interface Policy {
  message?: string;
  editable: boolean;
  settings: Setting[];
  due: Due | null; // null while it is still counted
  proposed?: Due;
}
export interface Pause {
  since: string;
  until: string;
  by: string;
  reason: string;
}
export interface Stats {
  stats: { total: number; active: number; inactive: number; old: number; cleanup_candidates: number };
  metrics: {
    protected_sessions: number;
    due_for_deactivation: number;
    due_for_deletion: number;
    waiting_sessions: number;
    never_due_sessions: number;
    activity_rate: number;
    untracked: boolean;
    last_run: Event | null;
    pause?: Pause;
    at: string;
  };
  alerts: { code: string; message: string }[];
}
export interface Analytics {
  at: string;
  history: { day: string; runs: number; failed_runs: number; deactivated: number; deleted: number; purged: number; rows: number; bytes: number }[];
  ages: { from_hours: number; active: number; inactive: number }[];
  forecast: { deactivate: number; delete: number }[];
  hours: { hour: string; count: number }[];
  owners: { owner_id: string; count: number }[];
}
export interface Owner {
  owner_id: string;
  owner_name: string;
  total: number;
  active: number;
  inactive: number;
  protected: number;
  due_for_deactivation: number;
  due_for_deletion: number;
  last_activity: string;
}
export interface OwnerPage {
  at: string;
  owners: Owner[];
  matching: number;
  owner_count: number;
  next_cursor: string | null;
}
export interface Entry {
  id: number;
  session_id: string;
  owner_id: string;
  name: string;
  archived_at: string;
  actor: string;
  reason: string;
  rows: number;
  bytes: number;
  held: boolean;
  purge_at: string | null;
}
export interface Dependent {
  table: string;
  effect: string;
  rows: number;
  more?: boolean;
}
export interface RuleEffect {
  tag: string;
  deletes: number;
  keeps_from_deletion: number;
  deactivates: number;
  keeps_active: number;
  more?: boolean;
}
export interface Cleanup {
  dry_run: boolean;
  run_id: string | null;
  as_of?: string;
  phases: Phase[];
  failures: { session_id: string; action: string; error: string }[];
  skipped: { session_id: string; action: string; reason: string }[];
  sessions?: Session[];
  dependents?: Dependent[];
  rules?: RuleEffect[];
  would_be_refused?: boolean;
  untracked?: boolean;
}
export interface BulkResult {
  matching: number;
  done: number;
  skipped: number;
  failed: number;
  failures: { session_id: string; error: string }[];
}
export interface Page<T> {
  next_cursor: string | null;
  sessions?: T[];
  events?: T[];
  entries?: T[];
}

/** Problem is an error of a request: the server's problem details, or kind "offline" without an answer. */
export class Problem extends Error {
  kind: string;
  constructor(
    public status: number,
    public body: Record<string, any>,
  ) {
    super(body.detail || "");
    this.kind = status === 0 ? "offline" : String(body.type || "").split("#")[1] || (status === 401 ? "unauthenticated" : "internal-error");
  }
}

export type Credentials = () => string | null | undefined | Promise<string | null | undefined>;
type Params = Record<string, string | number | undefined | null>;

export class Api {
  constructor(
    private base: () => string,
    private lang: () => string,
    private credentials: () => Credentials | undefined,
  ) {}

  async request(method: string, path: string, params: Params = {}, body?: unknown, accept = "application/json", signal?: AbortSignal, match?: string): Promise<Response> {
    const query = new URLSearchParams();
    for (const [k, v] of Object.entries(params)) if (v !== undefined && v !== null && v !== "") query.set(k, String(v));
    const headers: Record<string, string> = { Accept: accept, "Accept-Language": this.lang() };
    const token = await this.credentials()?.();
    if (token) headers.Authorization = `Bearer ${token}`;
    if (match) headers["If-Match"] = match;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const url = this.base().replace(/\/$/, "") + path + (query.size ? `?${query}` : "");
    let res: Response;
    try {
      res = await fetch(url, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal,
        credentials: "same-origin",
        cache: "no-store",
      });
    } catch (e) {
      if (signal?.aborted) throw e;
      throw new Problem(0, {});
    }
    if (!res.ok) throw new Problem(res.status, await res.json().catch(() => ({})));
    return res;
  }

  async get<T>(path: string, params?: Params, signal?: AbortSignal): Promise<T> {
    return read(await this.request("GET", path, params, undefined, undefined, signal), signal);
  }

  /** tagged is a response and its entity tag as If-Match takes it: without the W/ of a proxy that compresses. */
  async tagged<T>(method: string, path: string, params?: Params, body?: unknown, match?: string, signal?: AbortSignal): Promise<[T, string]> {
    const res = await this.request(method, path, params, body, undefined, signal, match);
    return [await read<T>(res, signal), (res.headers.get("ETag") ?? "").replace(/^W\//, "")];
  }

  async send<T>(method: string, path: string, body?: unknown, params?: Params): Promise<T> {
    return read(await this.request(method, path, params, body));
  }

  /** stream does long work; aborting the signal ends it early. */
  async stream<T>(path: string, body: unknown, progress: (done: number, total: number) => void, signal: AbortSignal): Promise<T> {
    const res = await this.request("POST", path, {}, body, "application/x-ndjson", signal);
    for await (const text of lines(res)) {
      const line = JSON.parse(text);
      if (line.progress) progress(line.progress.done, line.progress.total);
      if (line.problem) throw new Problem(line.problem.status, line.problem);
      if (line.result) return line.result;
    }
    throw new Problem(0, {});
  }

  /** watch reads the live stream until it ends. */
  async watch(heard: (event: string, data: string) => void, signal: AbortSignal): Promise<void> {
    const res = await this.request("GET", "/live", {}, undefined, "text/event-stream", signal);
    let event = "",
      data = "";
    for await (const text of lines(res)) {
      if (text === "") {
        if (event) heard(event, data);
        event = data = "";
      } else if (text.startsWith("event: ")) event = text.slice(7);
      else if (text.startsWith("data: ")) data = text.slice(6);
    }
  }
}

/** read is a response's JSON. An incomplete response, or a proxy's page, is a Problem. */
async function read<T>(res: Response, signal?: AbortSignal): Promise<T> {
  try {
    return await res.json();
  } catch (e) {
    throw signal?.aborted ? e : new Problem(0, {});
  }
}

async function* lines(res: Response): AsyncGenerator<string> {
  const reader = res.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
