import type { z } from "zod";
import type { ResourceAction } from "./permissions.ts";
import type { ProblemCode } from "./problem-codes.ts";

/** Parts of a service that are open to who reaches nothing else of it. */
export type Part = "people" | "export";

/** An answer that is not a problem. */
export interface AnswerDoc {
  /** Default 200, and 204 where there is no body. */
  status?: number;
  /** The body. Absent: there is none. */
  response?: z.ZodType;
  /** Default application/json; several where the client chooses among them. */
  responseType?: string | readonly string[];
  /** The part of the body that is sent where FHIR is asked for, as application/fhir+json. */
  fhirResponse?: z.ZodType;
}

/** The document of one route: what its guard enforces, and what OpenAPI shows. */
export interface RouteDoc extends AnswerDoc {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** OpenAPI form: `/v1/patients/{id}`. Parameters named `id` or `…Id` are ids of ours. */
  path: string;
  /** The last parameter takes the rest of the path, slashes included. OpenAPI cannot express it. */
  wildcard?: true;
  summary: string;
  /** The permission that the caller needs. Absent: open to guests, unless `session` is set. */
  permission?: ResourceAction;
  /** Narrower scopes than this are refused. Default: none is, and the use case decides. */
  scope?: "any";
  /** A session is needed although no permission is. Default: whether `permission` is given. */
  session?: boolean;
  /** A sign-in of at most 10 minutes ago is needed; adds the code `step_up_required`. */
  stepUp?: true;
  /** For our own services and pages: in no public list. */
  internal?: true;
  /**
   * `people`: open also to an assertion for `<service>/people` and to a delegation; `export`: to a
   * delegation. Neither opens anything else of the service.
   */
  part?: Part;
  /** What the first path parameter names in audit subjects. Default: the noun of `permission`. */
  resource?: string;
  request?: z.ZodType;
  /** Default application/json. */
  requestType?: string;
  /** The body may be left out. Default false. */
  requestOptional?: boolean;
  /** A body that the schema accepts, for readers. */
  example?: unknown;
  query?: z.ZodType;
  /** The query may have any names, and a name more than once: the service looks at them. */
  openQuery?: true;
  /** Bulk work, whose answer may begin after two minutes. Default: 3 s, or it is 503 or 504. */
  slow?: true;
  /** The answer carries the resource's `ETag`. */
  etag?: boolean;
  /** One `Range` of the bytes is served: 206 and 416 beside the whole. */
  ranges?: boolean;
  /** What else may be answered that is not a problem, with the reason. */
  also?: readonly (AnswerDoc & { status: number; summary: string })[];
  /** Codes of refusals beyond those that follow from the rest of the document (`codesOf`). */
  errors?: readonly ProblemCode[];
}

/** The documents of one area by name, with their literal paths and their schemas' types. */
export function defineRoutes<const T extends Readonly<Record<string, RouteDoc>>>(routes: T): T {
  return routes;
}

/** The parsed body that a handler gets; undefined where there is none. */
export type BodyOf<D extends RouteDoc> = D extends { request: infer S extends z.ZodType }
  ? z.output<S> | (D extends { requestOptional: true } ? undefined : never)
  : undefined;

/** The parsed query that a handler gets; empty where the route takes none, or any. */
export type QueryOf<D extends RouteDoc> = D extends { openQuery: true }
  ? Record<never, never>
  : D extends { query: infer S extends z.ZodType }
    ? z.output<S>
    : Record<never, never>;

type ParameterOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParameterOf<Rest>
  : never;

/** The path's parameters; that of a wildcard is the rest of the path as one string. */
export type ParamsOf<D extends RouteDoc> = { readonly [Name in ParameterOf<D["path"]>]: string };

/** What a handler may answer, before the schema strips it; undefined where there is no body. */
export type AnswerOf<D extends RouteDoc> = D extends { response: infer S extends z.ZodType }
  ? z.input<S>
  : undefined;

/** Errors of a write that takes an `Idempotency-Key`. */
export const REPLAY = ["idempotency_key_reused", "request_in_progress"] as const;
/** The codes of a route that searches in memory. */
export const SEARCH = ["search_loading", "search_memory_full"] as const;

/** The status of a route's ordinary answer. */
export function statusOf(route: AnswerDoc | RouteDoc): number {
  return route.status ?? (route.response ? 200 : 204);
}

/** The noun of the route's audit subjects; undefined where there is none. */
export function resourceOf(route: RouteDoc): string | undefined {
  return route.resource ?? route.permission?.split(":")[0];
}

/** Whether a route is for those who are signed in. */
export function needsSession(route: RouteDoc): boolean {
  return route.session ?? route.permission !== undefined;
}

/** The tag of a path: its area, `system` for the gateway's own. */
export function tagOf(path: string): string {
  return /^\/v1\/([a-z-]+)/.exec(path)?.[1] ?? "system";
}

/** Every code that this route may answer, sorted: its own, and what follows from its document. */
export function codesOf(route: RouteDoc): ProblemCode[] {
  return [...new Set([...(route.errors ?? []), ...sharedCodes(route)])].sort();
}

/** What the gateway answers from its own memory (`/healthz`, …) meets no service and no body. */
function sharedCodes(route: RouteDoc): ProblemCode[] {
  if (tagOf(route.path) === "system" && !route.path.startsWith("/.well-known/")) {
    return ["invalid_input", "request_screened", "uri_too_long", "rate_limited", "unavailable"];
  }
  const codes: ProblemCode[] = ["invalid_input", "request_screened", "too_large", "rate_limited"];
  codes.push("internal_error", "bad_gateway", "unavailable", "storage_full", "clock_skew");
  codes.push("gateway_timeout");
  codes.push("unsupported_media_type");
  codes.push("uri_too_long");
  if (route.request) codes.push("request_timeout");
  if (needsSession(route)) codes.push("unauthenticated", "mfa_enrollment_required");
  if (needsSession(route) && route.method !== "GET") codes.push("csrf_failed");
  if (route.permission) codes.push("forbidden");
  if (canBeClosed(route)) codes.push("part_closed");
  if (route.stepUp) codes.push("step_up_required");
  if (route.path.includes("{")) codes.push("not_found");
  if (/^\/v1\/((patients|fhir\/(Patient|\{type\}))\/\{|fhir\/\{type\}$)/.test(route.path))
    codes.push("too_many_patients");
  const ofRow =
    /^\/v1\/(patients\/me$|(patients|records|prescriptions|claims|appointments|fhir|files)\/.*\{)/;
  if (ofRow.test(route.path) && !CHECK.test(route.path)) {
    codes.push("row_damaged");
  }
  if (route.ranges) codes.push("range_not_satisfiable");
  if (isReplacedByRestore(route)) codes.push("restore_in_progress");
  return codes;
}

/** Whether it lists or writes what a patient can close; one row that is closed is not there. */
function canBeClosed({ method, path, permission }: RouteDoc): boolean {
  const isRow = /\/(records|prescriptions|appointments|claims)\/\{/.test(path);
  return /^(record|prescription|appointment|claim):/.test(permission ?? "") && !(method === "GET" && isRow);
}

const KEPT_BY_RESTORE = ["auth", "users", "roles", "sessions", "audit", "backups"];

/** A POST that changes nothing: a search, or the check of a resource or of a printed page. */
const CHECK = /\/(_?search|\$validate|prescriptions\/verify)$/;

/** Whether it writes to records or files, which a restore replaces. */
function isReplacedByRestore({ method, path }: RouteDoc): boolean {
  return method !== "GET" && !CHECK.test(path) && !KEPT_BY_RESTORE.includes(tagOf(path));
}
