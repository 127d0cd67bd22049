import type { z } from "zod";
import { STATUS_OF_KIND } from "./errors.ts";
import { Problem } from "./http.ts";
import { headersOf, PARAMETERS, parametersOf, RESPONSE_HEADERS } from "./openapi-headers.ts";
import { type Json, type NamedSchemas, namedSchemas } from "./openapi-schemas.ts";
import type { ResourceAction } from "./permissions.ts";
import { PROBLEM_CODES, type ProblemCode } from "./problem-codes.ts";
import { ACCESS_COOKIE } from "./session-transport.ts";

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** An answer that is no problem. */
export interface AnswerDoc {
  status: number;
  response: z.ZodType | null;
  /** Default application/json; several where the client chooses among them. */
  responseType?: string | readonly string[];
}

/** One route as the public API shows it. Each contracts/<service>.ts exports a list of them. */
export interface RouteDoc extends AnswerDoc {
  method: Method | Lowercase<Method>;
  /** OpenAPI form: `/v1/patients/{id}` */
  path: string;
  summary: string;
  /** The permission that `allow()` demands. Absent: open to guests, unless `session` says otherwise. */
  permission?: ResourceAction;
  /** A session is needed although no permission is. Default: whether `permission` is given. */
  session?: boolean;
  request?: z.ZodType;
  /** Default application/json. */
  requestType?: string;
  /** The body may be left out. Default false. */
  requestOptional?: boolean;
  /** A body that the schema accepts, for readers. */
  example?: unknown;
  query?: z.ZodType;
  /** The answer carries the resource's `ETag`. */
  etag?: boolean;
  /** One `Range` of the bytes is served: 206 and 416 beside the whole. */
  ranges?: boolean;
  /** What else may come that is no problem, with the reason. */
  also?: readonly (AnswerDoc & { summary: string })[];
  /** Codes of refusals beyond those that every route shares. */
  errors?: string[];
}

export interface DocumentInfo {
  title: string;
  version: string;
  description?: string;
  license?: { name: string; identifier: string };
}

export interface DocumentOptions {
  /** Schemas that get a name of their own under `components`, by that name. */
  schemas?: Readonly<Record<string, unknown>>;
  /** What each tag is about; the tag is the path's second segment, or `system`. */
  tags?: Readonly<Record<string, string>>;
}

/**
 * The OpenAPI 3.1 document of these routes. Throws for two routes with one method and path (one would hide), and for
 * a code that PROBLEM_CODES does not know.
 */
export function openApiDocument(
  routes: readonly RouteDoc[],
  info: DocumentInfo,
  { schemas: named = {}, tags = {} }: DocumentOptions = {},
): Json {
  const shown = routes.flatMap((route) => [
    route.response,
    ...(route.also ?? []).map((each) => each.response),
  ]);
  const schemas = namedSchemas(
    { ...named, Problem },
    shown.filter((schema) => schema !== null),
  );
  const problems = new Map<string, Json>();
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    const item = paths[route.path] as Json;
    const method = route.method.toLowerCase();
    if (item[method]) throw new Error(`documented twice: ${method} ${route.path}`);
    item[method] = {
      ...operation(route, schemas),
      responses: { ...answers(route, schemas), ...refusals(route, problems) },
    };
  }
  schemas.use(Problem, "output");
  return {
    openapi: "3.1.0",
    info,
    servers: [{ url: "/" }],
    security: [],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: "An access token of POST /v1/auth/login, good for 5 minutes.",
        },
        cookie: {
          type: "apiKey",
          in: "cookie",
          name: ACCESS_COOKIE,
          description:
            "Of a sign-in with `X-Session-Transport: cookie`; unsafe calls need `X-CSRF-Token` too.",
        },
      },
      parameters: PARAMETERS,
      headers: RESPONSE_HEADERS,
      schemas: schemas.used(),
      responses: Object.fromEntries([...problems].sort(([a], [b]) => a.localeCompare(b))),
    },
  };
}

function operation(route: RouteDoc, schemas: NamedSchemas): Json {
  const signedIn = needsSession(route);
  return {
    operationId: operationId(route),
    summary: route.summary,
    tags: [tagOf(route.path)],
    ...(route.permission && { "x-permission": route.permission }),
    security: signedIn ? [{ bearer: [] }, { cookie: [] }] : [],
    parameters: parametersOf(route, signedIn, schemas),
    ...(route.request && {
      requestBody: {
        required: !route.requestOptional,
        content: {
          [route.requestType ?? "application/json"]: {
            schema: schemas.use(route.request, "input"),
            ...(route.example !== undefined && { example: route.example }),
          },
        },
      },
    }),
  };
}

/** Whether a route is for those who are signed in. */
export function needsSession(route: RouteDoc): boolean {
  return route.session ?? route.permission !== undefined;
}

/** The tag under which a path stands: its area, `system` for what the gateway says of itself. */
export function tagOf(path: string): string {
  return /^\/v1\/([a-z]+)/.exec(path)?.[1] ?? "system";
}

function answers(route: RouteDoc, schemas: NamedSchemas): Json {
  const whole = { ...route, summary: route.summary };
  const part = { ...whole, status: 206, summary: "The range that was asked for" };
  const same = { status: 304, summary: "Its ETag is among those of If-None-Match", response: null };
  const others = [...(route.ranges ? [part] : []), ...(route.also ?? [])];
  if (route.method.toUpperCase() === "GET") others.push(same);
  return Object.fromEntries(
    [whole, ...others].map((answer) => {
      const types = [answer.responseType ?? "application/json"].flat();
      const schema = answer.response && schemas.use(answer.response, "output");
      return [
        String(answer.status),
        {
          description: answer.summary,
          headers: headersOf(route, answer.status),
          ...(schema && { content: Object.fromEntries(types.map((type) => [type, { schema }])) }),
        },
      ];
    }),
  );
}

/** The refusals of a route by status; equal ones share a component that is named by their codes. */
function refusals(route: RouteDoc, problems: Map<string, Json>): Json {
  const byStatus = Map.groupBy(codesOf(route), (code) => STATUS_OF_KIND[PROBLEM_CODES[code]]);
  const responses: Json = {};
  for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b)) {
    const name = codes.join(".");
    problems.set(name, problemResponse(status, codes));
    responses[String(status)] = { $ref: `#/components/responses/${name}` };
  }
  return responses;
}

function problemResponse(status: number, codes: readonly ProblemCode[]): Json {
  return {
    description: `Problem (RFC 9457), \`code\`: ${codes.join(", ")}.`,
    headers: headersOf(null, status),
    content: {
      "application/problem+json": {
        schema: {
          allOf: [
            { $ref: "#/components/schemas/Problem" },
            { type: "object", properties: { code: { enum: codes } }, required: ["code"] },
          ],
        },
      },
    },
  };
}

/** Every code that this route may answer, sorted: its own, those of the gateway, and those of what it takes. */
export function codesOf(route: RouteDoc): ProblemCode[] {
  const codes = new Set([...(route.errors ?? []), ...sharedCodes(route)]);
  for (const code of codes) {
    if (!Object.hasOwn(PROBLEM_CODES, code)) {
      throw new Error(`${route.method} ${route.path}: ${code} is not in PROBLEM_CODES`);
    }
  }
  return [...codes].sort() as ProblemCode[];
}

/** What the gateway answers itself from its memory (`/healthz`, `/openapi.json`, …) meets no service and no body. */
function sharedCodes(route: RouteDoc): ProblemCode[] {
  if (tagOf(route.path) === "system" && !route.path.startsWith("/.well-known/")) {
    return ["invalid_input", "request_screened", "uri_too_long", "rate_limited", "unavailable"];
  }
  const codes: ProblemCode[] = ["invalid_input", "request_screened", "too_large", "rate_limited"];
  codes.push("internal_error", "bad_gateway", "unavailable", "gateway_timeout", "unsupported_media_type");
  codes.push("uri_too_long");
  if (route.request) codes.push("request_timeout");
  if (needsSession(route)) codes.push("unauthenticated", "mfa_enrollment_required");
  if (needsSession(route) && route.method.toUpperCase() !== "GET") codes.push("csrf_failed");
  if (route.permission) codes.push("forbidden");
  if (/^\/v1\/(patients|fhir\/Patient)\/\{/.test(route.path)) codes.push("too_many_patients");
  if (route.ranges) codes.push("range_not_satisfiable");
  return codes;
}

function operationId(route: RouteDoc): string {
  const words = route.path
    .replace(/^\/v1\//, "")
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean);
  return [route.method.toLowerCase(), ...words]
    .map((word, i) => (i === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1)))
    .join("");
}
