import { STATUS_OF_KIND } from "../errors.ts";
import { Problem } from "../http.ts";
import { PROBLEM_CODES, type ProblemCode } from "../problem-codes.ts";
import { type AnswerDoc, codesOf, needsSession, type RouteDoc, statusOf, tagOf } from "../route.ts";
import { ACCESS_COOKIE } from "../session-transport.ts";
import { headersOf, PARAMETERS, parametersOf, RESPONSE_HEADERS } from "./headers.ts";
import { type Json, type NamedSchemas, namedSchemas } from "./schemas.ts";

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

/** The OpenAPI 3.1 document of these routes. Throws for two routes of one method and path. */
export function openApiDocument(
  routes: readonly RouteDoc[],
  info: DocumentInfo,
  { schemas: named = {}, tags = {} }: DocumentOptions = {},
): Json {
  const shown = routes.flatMap((route) =>
    [route, ...(route.also ?? [])].flatMap(({ response, fhirResponse }) =>
      [response, fhirResponse].filter((schema) => schema !== undefined),
    ),
  );
  const schemas = namedSchemas({ ...named, Problem }, shown);
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
    ...(route.slow && { "x-slow": true }),
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

function answers(route: RouteDoc, schemas: NamedSchemas): Json {
  const part = { ...route, status: 206, summary: "The range that was asked for" };
  const same = { status: 304, summary: "Its ETag is among those of If-None-Match" };
  const others = [
    ...(route.ranges ? [part] : []),
    ...(route.also ?? []),
    ...(route.method === "GET" ? [same] : []),
  ];
  return Object.fromEntries(
    [route, ...others].map((answer: AnswerDoc & { summary: string }) => {
      const status = statusOf(answer);
      const types = [answer.responseType ?? "application/json"].flat();
      const schema = answer.response && schemas.use(answer.response, "output");
      const fhir = answer.fhirResponse && schemas.use(answer.fhirResponse, "output");
      return [
        String(status),
        {
          description: answer.summary,
          headers: headersOf(route, status),
          ...(schema && {
            content: {
              ...Object.fromEntries(types.map((type) => [type, { schema }])),
              ...(fhir && { "application/fhir+json": { schema: fhir } }),
            },
          }),
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
    const isFhir = tagOf(route.path) === "fhir";
    const name = [...codes, ...(isFhir ? ["fhir"] : [])].join(".");
    problems.set(name, problemResponse(status, codes, isFhir));
    responses[String(status)] = { $ref: `#/components/responses/${name}` };
  }
  return responses;
}

function problemResponse(status: number, codes: readonly ProblemCode[], isFhir: boolean): Json {
  const outcome = { schema: { $ref: "#/components/schemas/OperationOutcome" } };
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
      ...(isFhir && { "application/fhir+json": outcome }),
    },
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
