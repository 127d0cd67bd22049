import {
  auditRoutes,
  authRoutes,
  backupRoutes,
  filesRoutes,
  MAILED_PAGES,
  type RouteDoc,
  recordsRoutes,
} from "@medvault/contracts";

import { PAGE_TEXTS } from "../mailed-pages/mailed-page.ts";

/** The services behind the gateway, and what each of them serves. */
export const ROUTES_OF = {
  auth: authRoutes,
  records: recordsRoutes,
  files: filesRoutes,
  audit: auditRoutes,
  backup: backupRoutes,
} satisfies Record<string, readonly RouteDoc[]>;
export type ServiceName = keyof typeof ROUTES_OF;
export const SERVICES = Object.keys(ROUTES_OF) as readonly ServiceName[];

/** A service, or its part that says how people are called. */
type Audience = ServiceName | `${ServiceName}/people`;

const MIB = 1024 * 1024;
const JSON_BYTES = MIB;
const FHIR_BYTES = 16 * MIB;
const VALIDATED_BYTES = 4 * MIB;
/** Ten files, and room for the parts' headers and fields. */
const FILES_PER_UPLOAD = 10;
const MULTIPART_SLACK_BYTES = MIB;

/** Requests that have a limit or a price of their own. */
export type RouteClass =
  | "login"
  | "forgot"
  | "register"
  | "search"
  | "lookup"
  | "bundle"
  | "upload"
  | "export";

export interface Route {
  /** Null: the gateway answers itself. */
  service: ServiceName | null;
  /** Who must accept the assertion: the service, and those that it calls in the caller's name. */
  audiences: readonly Audience[];
  access: "public" | "session";
  /** Whether a session that has still to enrol a second factor reaches it. */
  enrollment: boolean;
  /** A limit of its own on top of the general one. */
  limit: RouteClass | null;
  maxBodyBytes: number;
  /** Whether the body passes through unread: its own service looks at it. */
  streams: boolean;
  /** How long an answer may be idle; 0: for ever (server-sent events). */
  bodyTimeoutMs: number;
}

/** `METHOD /path`: what guests reach. A test holds it against the documents of libs/contracts. */
export const PUBLIC: ReadonlySet<string> = new Set([
  "POST /v1/auth/register",
  "POST /v1/auth/login",
  "POST /v1/auth/refresh",
  "POST /v1/auth/mfa/challenge",
  "POST /v1/auth/passkeys/login/options",
  "POST /v1/auth/passkeys/login/verify",
  "POST /v1/auth/email/verify",
  "POST /v1/auth/email/object",
  "POST /v1/auth/password/forgot",
  "POST /v1/auth/password/reset",
  "POST /v1/auth/password/strength",
  "POST /v1/auth/reminders/stop",
  "POST /v1/auth/reminders/stop/{token}",
  "GET /.well-known/jwks.json",
  "GET /v1/fhir/metadata",
  "GET /v1/calendar/{file}",
  "POST /v1/prescriptions/verify",
]);

/** Calendar programs do not sign in: the token in the path opens the one file. */
const CALENDAR = /^GET \/v1\/calendar\/[^/]+$/;
/** Mail programs send a form whose one field says nothing: the token in the path does. */
const ONE_CLICK = /^POST \/v1\/auth\/reminders\/stop\/[^/]+$/;
const isPublic = (key: string): boolean => PUBLIC.has(key) || CALENDAR.test(key) || ONE_CLICK.test(key);

const LOCAL: ReadonlySet<string> = new Set([
  "GET /",
  "GET /openapi.json",
  "GET /docs",
  "GET /docs/page.js",
  "GET /docs/page.css",
  ...MAILED_PAGES.map((name) => `GET /${name}`),
]);

/** Forms that browsers without script send to mailed pages, and the calls that they make. */
const FORMS: ReadonlyMap<string, string> = new Map(
  MAILED_PAGES.map((name) => [`POST /${name}`, PAGE_TEXTS[name].call]),
);

/** What an enrolment-only token reaches: what its permission opens, and the way out. */
const ENROLLMENT: ReadonlySet<string> = new Set([
  "POST /v1/auth/logout",
  ...authRoutes.filter(({ permission }) => permission === "account:enroll").map(keyOf),
]);

/** `METHOD /path`, by which the sets here name a route. */
function keyOf({ method, path }: RouteDoc): string {
  return `${method.toUpperCase()} ${path}`;
}

/** The part of a path that says whose it is: `/v1/patients` of `/v1/patients/{id}`. */
function prefixOf(path: string): string {
  const end = path.indexOf("/", path.indexOf("/", 1) + 1);
  return end === -1 ? path : path.slice(0, end);
}

/** Under a prefix of records, and yet of files, which makes the archive. */
const EXPORT = /^\/v1\/patients\/[^/]+\/export$/;

const OWNERS: ReadonlyMap<string, ServiceName> = new Map(
  SERVICES.flatMap((name) =>
    ROUTES_OF[name]
      .filter(({ path }) => !EXPORT.test(path))
      .map((route) => [prefixOf(route.path), name] as const),
  ),
);

const ownerOf = (path: string): ServiceName | undefined =>
  EXPORT.test(path) ? "files" : OWNERS.get(prefixOf(path));

export type RouteTable = (method: string, path: string) => Route | null;

/** Who serves a request, who may send it, and how large it may be. Null: no service has it. */
export function createRouteTable(options: { maxUploadBytes: number }): RouteTable {
  return (method, path) => {
    const key = `${method === "HEAD" ? "GET" : method} ${path}`;
    if (LOCAL.has(key)) return { ...base("session"), access: "public", service: null, audiences: [] };
    const call = FORMS.get(key);
    if (call)
      return { ...base("session"), access: "public", service: null, audiences: [], limit: limitOf(call) };
    const service = ownerOf(path);
    if (!service) return null;
    return {
      ...base(isPublic(key) ? "public" : "session"),
      service,
      audiences: audiencesOf(service, key),
      enrollment: ENROLLMENT.has(key),
      limit: limitOf(key),
      ...sizes(key, options.maxUploadBytes),
    };
  };
}

/** Routes of records that ask auth who someone is, with the caller's assertion. */
const ASKS_AUTH =
  /^(PUT \/v1\/patients\/[^/]+\/care-team|PATCH \/v1\/(patients|claims|appointments))\/[^/]+$|^POST \/v1\/(patients|claims|appointments|care-team|patients\/[^/]+\/consents)$|^GET \/v1\/(appointments\/slots|calendar\/[^/]+|patients\/[^/]+\/access)$/;

/** Services whose answers name people, whom auth alone knows. */
const NAMES_PEOPLE: ReadonlySet<ServiceName> = new Set(["records", "files", "audit"]);

/** Proved by the audit log, in the caller's name. */
const ASKS_AUDIT = /^GET \/v1\/patients\/[^/]+\/erasure\/receipt$/;

/** For a patient: records says which charts are their own. */
const ASKS_RECORDS = /^GET \/v1\/audit\/(my-access|events\/[^/]+\/proof)$/;

function audiencesOf(service: ServiceName, key: string): readonly Audience[] {
  const asked: Audience[] = service === "files" ? ["records"] : [];
  if (key.startsWith("GET /v1/directory")) return [service, "records/people", "audit/people"];
  // Files asks auth too: in whose name its job goes on.
  if (EXPORT.test(key.slice("POST ".length))) return [service, "records", "auth"];
  if (ASKS_RECORDS.test(key)) return [service, "records/people", "auth/people"];
  if (ASKS_AUDIT.test(key)) return [service, "audit"];
  if (ASKS_AUTH.test(key)) return [service, "auth"];
  return [service, ...asked, ...(NAMES_PEOPLE.has(service) ? (["auth/people"] as const) : [])];
}

function base(access: Route["access"]): Omit<Route, "service" | "audiences"> {
  return {
    access,
    enrollment: false,
    limit: null,
    maxBodyBytes: JSON_BYTES,
    streams: false,
    bodyTimeoutMs: 60_000,
  };
}

const CLASSES: Readonly<Record<string, RouteClass>> = {
  "POST /v1/auth/login": "login",
  "POST /v1/auth/password/forgot": "forgot",
  "POST /v1/auth/passkeys/login/verify": "login",
  "POST /v1/auth/register": "register",
  "POST /v1/patients/search": "search",
  "POST /v1/patients/{id}/records/search": "search",
  "POST /v1/prescriptions/search": "search",
  "POST /v1/directory/search": "lookup",
  "POST /v1/fhir": "bundle",
  "POST /v1/files": "upload",
  "GET /v1/audit/export": "export",
};

const FHIR_SEARCH = /^(POST \/v1\/fhir\/[^/]+\/_search|GET \/v1\/fhir\/[A-Z][^/]*)$/;
const FORM_BYTES = 64 * 1024;
const VALIDATION = /^POST \/v1\/fhir\/([^/]+\/)?\$validate$/;

function limitOf(key: string): RouteClass | null {
  const known = Object.hasOwn(CLASSES, key) ? CLASSES[key] : undefined;
  if (known) return known;
  if (VALIDATION.test(key)) return "bundle";
  if (FHIR_SEARCH.test(key)) return "search";
  return key.startsWith("GET /v1/fhir/") && key.endsWith("/$everything") ? "export" : null;
}

function sizes(key: string, maxUploadBytes: number): Partial<Route> {
  if (key === "POST /v1/fhir") return { maxBodyBytes: FHIR_BYTES, streams: true };
  if (VALIDATION.test(key)) return { maxBodyBytes: VALIDATED_BYTES, streams: true };
  if (ONE_CLICK.test(key) || (key.startsWith("POST") && FHIR_SEARCH.test(key)))
    return { maxBodyBytes: FORM_BYTES, streams: true };
  if (key === "POST /v1/files") {
    return {
      maxBodyBytes: FILES_PER_UPLOAD * maxUploadBytes + MULTIPART_SLACK_BYTES,
      streams: true,
    };
  }
  if (key === "GET /v1/audit/stream") return { bodyTimeoutMs: 0 };
  return {};
}
