import { PURPOSES } from "../actor.ts";
import type { RouteDoc } from "../route.ts";
import type { Json, NamedSchemas } from "./schemas.ts";

const header = (name: string, description: string, schema: Json = { type: "string" }): Json => ({
  name,
  in: "header",
  required: false,
  description,
  schema,
});
const shown = (description: string, schema: Json = { type: "string" }): Json => ({ description, schema });

const REQUEST_ID = { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" };
const ETAG = { type: "string", pattern: '^(W/)?"[1-9][0-9]{0,9}"$' };

/** The headers of requests, by the names under which operations refer to them. */
export const PARAMETERS = {
  RequestId: header("X-Request-Id", "Kept where it is well-formed, and in every event it causes.", {
    type: "string",
    maxLength: 128,
  }),
  Purpose: header("X-Purpose", "Why: an HL7 PurposeOfUse code.", { enum: [...PURPOSES] }),
  IdempotencyKey: header(
    "Idempotency-Key",
    "The same key and body again gives the first answer for 24 h; with another body it is refused.",
    { type: "string", minLength: 1, maxLength: 200 },
  ),
  IfMatch: header("If-Match", "The ETag that the resource must still have, or `*`.", {
    type: "string",
    pattern: '^(\\*|"[1-9][0-9]{0,9}")$',
  }),
  CsrfToken: header("X-CSRF-Token", "The session's `csrfToken`, where the session is in cookies."),
  SessionTransport: header("X-Session-Transport", "`cookie`: the tokens travel in cookies.", {
    enum: ["bearer", "cookie"],
  }),
  Range: header("Range", "One range of bytes, `bytes=0-1023`."),
  IfRange: header("If-Range", "The range is served only while the ETag is this one; else the whole."),
} satisfies Record<string, Json>;

/** The headers of answers. */
export const RESPONSE_HEADERS = {
  RequestId: shown("The id of this request; quote it when something went wrong.", REQUEST_ID),
  Audit: shown(
    "`counted`: more of this person's requests were refused than have an entry each in the audit log; this one is in the count of another.",
    { enum: ["counted"] },
  ),
  ETag: shown("The resource's revision, for If-Match.", ETAG),
  RetryAfter: shown("Seconds after which to come again.", { type: "integer", minimum: 0 }),
  WwwAuthenticate: shown("How to sign in (RFC 6750)."),
  IdempotencyReplayed: shown("`true`: this is the answer that the key had the first time."),
  ContentRange: shown("Which bytes of how many these are (RFC 9110)."),
  ContentDisposition: shown("The name to keep it under (RFC 6266)."),
} satisfies Record<string, Json>;

/** Where a client says how its tokens are to travel. */
const STARTS_SESSION: ReadonlySet<string> = new Set([
  "/v1/auth/login",
  "/v1/auth/mfa/challenge",
  "/v1/auth/passkeys/login/verify",
]);

/** The parameters of a route: those of its path, its query, and the headers that it looks at. */
export function parametersOf(route: RouteDoc, signedIn: boolean, schemas: NamedSchemas): Json[] {
  const names: (keyof typeof PARAMETERS)[] = ["RequestId"];
  if (signedIn) names.push("Purpose");
  if (signedIn && route.method !== "GET") names.push("CsrfToken");
  if (STARTS_SESSION.has(route.path)) names.push("SessionTransport");
  if (isIdempotent(route)) names.push("IdempotencyKey");
  if (route.errors?.includes("version_conflict")) names.push("IfMatch");
  if (route.ranges) names.push("Range", "IfRange");
  return [
    ...pathParameters(route.path),
    ...queryParameters(route, schemas),
    ...names.map((name) => ({ $ref: `#/components/parameters/${name}` })),
  ];
}

/** The headers of an answer; `route` null: of a problem. */
export function headersOf(route: RouteDoc | null, status: number): Json {
  const names: [string, keyof typeof RESPONSE_HEADERS][] = [["X-Request-Id", "RequestId"]];
  if (status >= 400) names.push(["X-Audit", "Audit"]);
  if (route?.etag) names.push(["ETag", "ETag"]);
  if (route?.ranges) names.push(["Content-Disposition", "ContentDisposition"]);
  if (route && isIdempotent(route)) names.push(["Idempotency-Replayed", "IdempotencyReplayed"]);
  if (status === 206) names.push(["Content-Range", "ContentRange"]);
  if (status === 401) names.push(["WWW-Authenticate", "WwwAuthenticate"]);
  if ([429, 502, 503, 504].includes(status)) names.push(["Retry-After", "RetryAfter"]);
  return Object.fromEntries(
    names.map(([name, component]) => [name, { $ref: `#/components/headers/${component}` }]),
  );
}

/** Whether the route takes an `Idempotency-Key`: then it can refuse one. */
function isIdempotent(route: RouteDoc): boolean {
  return route.errors?.includes("idempotency_key_reused") ?? false;
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{([A-Za-z]+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function queryParameters(route: RouteDoc, schemas: NamedSchemas): Json[] {
  if (!route.query) return [];
  const { properties = {}, required = [] } = schemas.expand(route.query, "input") as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }));
}
