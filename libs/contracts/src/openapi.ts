import { z } from "zod";
import { STATUS_OF_KIND } from "./errors.ts";
import { Problem } from "./http.ts";
import type { ResourceAction } from "./permissions.ts";

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One route as the public API shows it. Each contracts/<service>.ts exports a list of them. */
export interface RouteDoc {
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
  query?: z.ZodType;
  response: z.ZodType | null;
  /** Default application/json. */
  responseType?: string;
  status: number;
  /** Codes of refusals beyond those that every route shares. */
  errors?: string[];
}

type Json = Record<string, unknown>;

const toSchema = (schema: z.ZodType, io: "input" | "output"): Json => {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json;
  return json;
};

/** The OpenAPI 3.1 document of these routes. Two routes with one method and path throw: one would hide. */
export function openApiDocument(
  routes: readonly RouteDoc[],
  info: { title: string; version: string; description?: string },
): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    const item = paths[route.path] as Json;
    const method = route.method.toLowerCase();
    if (item[method]) throw new Error(`documented twice: ${method} ${route.path}`);
    item[method] = operation(route);
  }
  return {
    openapi: "3.1.0",
    info,
    servers: [{ url: "/" }],
    security: [],
    paths,
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
      schemas: { Problem: toSchema(Problem, "output") },
      responses: {
        Problem: {
          description: "Refused or failed (RFC 9457).",
          content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
        },
      },
    },
  };
}

function operation(route: RouteDoc): Json {
  const signedIn = route.session ?? route.permission !== undefined;
  const success: Json = { description: route.summary };
  if (route.response) {
    const type = route.responseType ?? "application/json";
    success.content = { [type]: { schema: toSchema(route.response, "output") } };
  }
  const refusals = route.errors?.length ? ` Codes: ${route.errors.join(", ")}.` : "";
  return {
    operationId: operationId(route),
    summary: route.summary,
    tags: [route.path.split("/")[2] ?? "system"],
    ...(refusals && { description: refusals.trim() }),
    ...(route.permission && { "x-permission": route.permission }),
    security: signedIn ? [{ bearer: [] }] : [],
    parameters: [...pathParameters(route.path), ...queryParameters(route.query)],
    ...(route.request && {
      requestBody: {
        required: true,
        content: { [route.requestType ?? "application/json"]: { schema: toSchema(route.request, "input") } },
      },
    }),
    responses: { [String(route.status)]: success, default: { $ref: "#/components/responses/Problem" } },
  };
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

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{([A-Za-z]+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function queryParameters(query: z.ZodType | undefined): Json[] {
  if (!query) return [];
  const { properties = {}, required = [] } = toSchema(query, "input") as {
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

/** Statuses that any route may answer; for readers of the document and for tests. */
export const PROBLEM_STATUSES: readonly number[] = [...new Set(Object.values(STATUS_OF_KIND))];
