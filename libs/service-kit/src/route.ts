import {
  type Actor,
  type AnswerOf,
  type BodyOf,
  Id,
  losslessJson,
  NotFound,
  type ParamsOf,
  type QueryOf,
  type RouteDoc,
  type Scope,
  scopeOf,
  statusOf,
  Unauthenticated,
} from "@medvault/contracts";
import type { Request, Response, Router } from "express";
import { Counter } from "prom-client";
import { z } from "zod";
import { actorOf, requireAdmission } from "./access.ts";
import { callerOf } from "./internal.client.ts";
import { metricsOf } from "./metrics.ts";
import { fillNames, idsNamed, namePlan } from "./names.ts";
import { asksForFhir } from "./operation-outcome.ts";
import type { People } from "./people.client.ts";
import { perApp } from "./per-app.ts";
import { AnswerUnfit } from "./problem.ts";
import { noteRoute, partOf } from "./request.ts";
import { etagOf, ifMatch, parse } from "./validation.ts";

/** A write as its Idempotency-Key sees it: what makes a repeated request the same one. */
export interface WriteRequest {
  readonly key: string | undefined;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** What a handler works with: checked and parsed as the route's document says. */
export interface Call<D extends RouteDoc> {
  readonly actor: Actor;
  /** The widest scope of the document's permission that the actor holds; `own` if it has none. */
  readonly scope: Scope;
  readonly body: BodyOf<D>;
  readonly query: QueryOf<D>;
  readonly params: ParamsOf<D>;
  /** The revision that If-Match requires, null for any. Throws InvalidInput for a malformed one. */
  readonly ifMatch: number | null;
  readonly write: WriteRequest;
  /** For headers that no document describes. */
  readonly req: Request;
}

/** What a handler answers: without a body, a status such as 204. */
export interface Answer<T> {
  readonly body?: T;
  /** The revision of the resource, for its ETag. */
  readonly rev?: number | undefined;
  /** Default: the document's. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

/** Runs the work of a request. */
export type Around = (doc: RouteDoc, work: () => Promise<void>) => Promise<void>;

/** A route guarded by its document. Made by `route` and `streamRoute` alone: none is unguarded. */
export class Route {
  readonly doc: RouteDoc;
  readonly #handle: (req: Request, res: Response) => Promise<void>;

  /** @internal */
  constructor(doc: RouteDoc, handle: (req: Request, res: Response) => Promise<void>) {
    this.doc = doc;
    this.#handle = handle;
  }

  /** Adds it to a router, behind its guard. */
  mount(router: Router, around: Around = (_doc, work) => work()): void {
    const { doc } = this;
    const method = doc.method.toLowerCase() as "get" | "post" | "put" | "patch" | "delete";
    router[method](patternOf(doc), (req, res) => {
      // Kept for the refusal's event: Express forgets a route before it handles errors.
      (req as WithMatch)[MATCH] = { doc, params: req.params };
      noteRoute(req, doc.path);
      const part = partOf(req);
      if (part !== null && doc.part !== part && !(part === "export" && doc.part === "people"))
        throw new Unauthenticated();
      requireAdmission(doc, actorOf(req));
      return around(doc, () => this.#handle(req, res));
    });
  }
}

/**
 * A route that answers JSON. In order: permission, session or step-up (401, 403), query and body
 * (400), ids of the path (404), the handler; then the answer, with the names of whom it shows,
 * stripped by the document's schema.
 */
export function route<const D extends RouteDoc>(
  doc: D,
  handler: (call: Call<D>) => Promise<Answer<AnswerOf<D>>>,
): Route {
  const names = doc.response ? namePlan(doc.response) : null;
  return new Route(doc, async (req, res) => {
    const { body, rev, status = statusOf(doc), headers = {} } = await handler(callOf(doc, req));
    if (names) {
      const { people } = namesIn(req.app);
      const caller = callerOf(actorOf(req), req);
      if (people) fillNames(names, body, await people.namesOf(caller, idsNamed(names, body)));
    }
    const { fhirResponse } = doc;
    const isFhir = fhirResponse !== undefined && asksForFhir(req);
    const schema = isFhir ? fhirResponse : doc.response;
    const shown = schema && stripped(doc, schema, body, req);
    if (rev !== undefined) res.set("ETag", etagOf(rev));
    res.status(status).set(headers);
    if (isFhir) res.type("application/fhir+json");
    else if (doc.responseType !== undefined) res.type(String([doc.responseType].flat()[0]));
    if (shown === undefined) res.end();
    else if (typeof shown === "string") res.send(shown);
    else (res.get("content-type") ? res : res.type("json")).send(losslessJson(shown));
  });
}

/** As `route`, with an answer that the handler writes: bytes, growing text, event streams. */
export function streamRoute<const D extends RouteDoc>(
  doc: D,
  handler: (call: Call<D> & { readonly res: Response }) => Promise<void>,
): Route {
  return new Route(doc, (req, res) => handler(Object.assign(callOf(doc, req), { res })));
}

/** Who says how people are called in the answers of an app; null: nobody. */
export const namesIn = perApp((): { people: People | null } => ({ people: null }));

const UNFIT = "answers_unfit_total";

function stripped(doc: RouteDoc, schema: z.ZodType, body: unknown, req: Request) {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const registry = metricsOf(req.app);
  const unfit =
    (registry.getSingleMetric(UNFIT) as Counter<"route"> | undefined) ??
    new Counter({
      name: UNFIT,
      help: "Answers that broke their own schema and were not sent.",
      labelNames: ["route"],
      registers: [registry],
    });
  unfit.inc({ route: `${doc.method} ${doc.path}` });
  // Paths of fields, never their values, which may be a patient's.
  const paths = [
    ...new Set(parsed.error.issues.slice(0, 20).map((issue) => issue.path.join(".") || "(all)")),
  ];
  throw new AnswerUnfit(paths);
}

class RouteCall<D extends RouteDoc> implements Call<D> {
  readonly actor: Actor;
  readonly body: BodyOf<D>;
  readonly query: QueryOf<D>;
  readonly params: ParamsOf<D>;
  readonly req: Request;
  readonly #doc: RouteDoc;

  constructor(doc: RouteDoc, req: Request) {
    this.#doc = doc;
    this.req = req;
    this.actor = actorOf(req);
    this.query = (doc.query && !doc.openQuery ? parse(doc.query, req.query) : {}) as QueryOf<D>;
    this.body = bodyOf(doc, req) as BodyOf<D>;
    this.params = paramsOf(req) as ParamsOf<D>;
  }

  get scope(): Scope {
    return (this.#doc.permission && scopeOf(this.actor, this.#doc.permission)) || "own";
  }

  get ifMatch(): number | null {
    return ifMatch(this.req);
  }

  get write(): WriteRequest {
    const { method, path } = this.req;
    // Of another type than JSON it is the handler's, which reads it as it comes.
    const body = takesJson(this.#doc) ? (this.req.body ?? null) : null;
    return { key: this.req.get("idempotency-key"), method, path, body };
  }
}

const callOf = <D extends RouteDoc>(doc: D, req: Request): Call<D> => new RouteCall<D>(doc, req);

function takesJson({ requestType = "application/json" }: RouteDoc): boolean {
  return /json/.test(requestType);
}

const NO_FIELDS = z.strictObject({});

/** A body that no schema describes is refused, and not ignored: its fields are unknown ones. */
function bodyOf(doc: RouteDoc, req: Request): unknown {
  if (!takesJson(doc)) return undefined;
  const isOptional = doc.requestOptional ?? !doc.request;
  return isOptional && isLeftOut(req.body) ? undefined : parse(doc.request ?? NO_FIELDS, req.body);
}

/** Some clients cannot send no body: an object without a field is as good. */
function isLeftOut(body: unknown): boolean {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body === undefined;
  return Object.keys(body).length === 0;
}

/** Throws NotFound for a malformed id; other parts of a path are for the handler to check. */
function paramsOf(req: Request): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [name, value] of Object.entries(req.params)) {
    const text = Array.isArray(value) ? value.join("/") : String(value);
    if (/^id$|Id$/.test(name)) {
      const id = Id.safeParse(text);
      if (!id.success) throw new NotFound();
      params[name] = id.data;
    } else params[name] = text;
  }
  return params;
}

/** OpenAPI's `/v1/patients/{id}` as Express has it. */
function patternOf({ path, wildcard }: RouteDoc): string {
  const pattern = path.replace(/\{(\w+)\}/g, ":$1");
  return wildcard ? pattern.replace(/:(\w+)$/, "*$1") : pattern;
}

export interface MatchedRoute {
  readonly doc: RouteDoc;
  /** As they were typed: not checked yet. */
  readonly params: Readonly<Record<string, unknown>>;
}

/** On the request itself, as its context is. */
const MATCH = Symbol("matched route");
interface WithMatch {
  [MATCH]?: MatchedRoute;
}

/** The route that a request reached, null before it reached one. */
export function matchedRoute(req: Request): MatchedRoute | null {
  return (req as WithMatch)[MATCH] ?? null;
}
