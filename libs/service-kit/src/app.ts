import {
  type Actor,
  AppError,
  ASSERTION_HEADER,
  type ErrorKind,
  NotFound,
  RECORD_HEADER,
  RECORDED,
  STATUS_OF_KIND,
  Unauthenticated,
  Unavailable,
} from "@medvault/contracts";
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from "express";
import { AssertionUntimely, type AssertionVerifier, UNTIMELY_HEADER } from "./assertions.ts";
import { type JsonLimit, jsonBody } from "./body.ts";
import { type Delegations, isDelegation } from "./delegation.client.ts";
import { mountHealth, type Readiness } from "./health.ts";
import { mountLogLevel } from "./log-level.ts";
import type { Logger } from "./logger.ts";
import { metricsOf, observeReadiness, observeRequests } from "./metrics.ts";
import type { People } from "./people.client.ts";
import { AnswerUnfit, type Refusal, refusalOf, sendProblem } from "./problem.ts";
import { actorOrNull, beginRequest, requestIdOf, setClaims, traceIdOf } from "./request.ts";
import { requestTracer } from "./request-tracer.ts";
import { type Around, namesIn, type Route } from "./route.ts";
import { INNER_HEADERS, SECURITY_HEADERS, setHeaders } from "./security-headers.ts";

/**
 * Called for each 401, 403, 404 and 500 before the answer leaves; if it throws, the answer is 503.
 * A 500 keeps the code of what failed (`box_forged`), which the answer does not show.
 */
export type OnRefusal = (req: Request, actor: Actor | null, error: AppError) => Promise<void>;

export interface AppOptions {
  logger: Logger;
  assertions: AssertionVerifier;
  /** Nothing else can be mounted. */
  routes: readonly Route[];
  readiness: Readiness;
  onRefusal?: OnRefusal;
  /** Kinds of refusals passed to `onRefusal`; default: 401, 403, 404 and 500. */
  evidence?: ReadonlySet<string>;
  /** Runs the work of each route: for what a request has with it, such as a deadline. */
  around?: Around;
  /** Who says how those are called whom answers name. */
  people?: People | undefined;
  /** Who says in whose name a job asks. Default: none may. */
  delegations?: Delegations | undefined;
  /** Default 1 MiB. */
  jsonLimitBytes?: JsonLimit;
  /** Requests whose JSON keeps its digits (`Decimal`); answers always do. */
  isLossless?: (req: Request) => boolean;
}

/**
 * The HTTP app of a service behind the gateway: headers, request ids, health, the gateway's
 * assertion on all else, JSON bodies, the routes, and problem details (RFC 9457) for refusals and
 * failures.
 */
export function createApp(options: AppOptions): Express {
  const app = bareApp(options.logger, (req) =>
    req.headers[ASSERTION_HEADER] === undefined ? SECURITY_HEADERS : INNER_HEADERS,
  );
  mountHealth(app, app, options.readiness);
  app.use(async (req, res, next) => {
    const token = req.get(ASSERTION_HEADER);
    if (!token) throw new Unauthenticated("The gateway's assertion is missing or not valid.");
    const { assertions, delegations } = options;
    const verified = isDelegation(token) ? delegations?.claimsOf(token) : assertions.verify(token);
    const claims = await (verified ?? Promise.reject(new Unauthenticated())).catch((error: unknown) => {
      setHeaders(res, SECURITY_HEADERS); // it was not the gateway
      if (error instanceof AssertionUntimely) res.setHeader(UNTIMELY_HEADER, "1");
      throw error;
    });
    setClaims(req, claims);
    next();
  });
  namesIn(app).people = options.people ?? null;
  app.use(jsonBody(options.jsonLimitBytes, options.isLossless));
  const router = express.Router({ caseSensitive: true });
  for (const route of options.routes) route.mount(router, options.around);
  app.use(router);
  endApp(app, options.logger, options.onRefusal, options.evidence, sayRecorded);
  adminApps.set(app, adminApp(app, options.readiness, options.logger));
  return app;
}

/** What services and gateway share before their first route; `headers`: those of each answer. */
export function bareApp(logger: Logger, headers = (_req: Request) => SECURITY_HEADERS): Express {
  const app = express();
  app.disable("x-powered-by");
  app.set("etag", false); // a resource's ETag is its revision, set where it is known
  app.set("query parser", "simple");
  app.set("case sensitive routing", true);
  const tracer = requestTracer();
  if (tracer) app.use(tracer);
  const observe = observeRequests(app, logger);
  // One layer of the router and not three: each costs every request a microsecond or two.
  app.use((req, res, next) => {
    beginRequest(req, res);
    setHeaders(res, headers(req));
    observe(req, res);
    next();
  });
  return app;
}

export const EVIDENCE_KINDS: ReadonlySet<string> = new Set([
  "unauthenticated",
  "forbidden",
  "not_found",
  "internal",
]);

/** What failed, for the event of it: the code and kind of a known error, nothing else. */
class RequestFailed extends AppError {
  readonly code: string;
  readonly kind: ErrorKind;
  constructor({ code, kind }: Refusal) {
    super();
    this.code = code;
    this.kind = kind;
  }
}

/** Refusals whose event is written already, by a use case that knew more than the HTTP layer. */
const recorded = new WeakSet<object>();

/** Notes that this refusal's event is written, so that `onRefusal` makes no second; returns it. */
export function markRecorded<E extends Error>(error: E): E {
  recorded.add(error);
  return error;
}

function isRecorded(thrown: unknown): boolean {
  return typeof thrown === "object" && thrown !== null && recorded.has(thrown);
}

/** The last handlers: 404 for what matched nothing, a problem for what was thrown. */
export function endApp(
  app: Express,
  logger: Logger,
  onRefusal?: OnRefusal,
  evidence: ReadonlySet<string> = EVIDENCE_KINDS,
  onAnswer?: OnAnswer,
): void {
  app.use((req, res) => {
    const answer = new NotFound();
    onAnswer?.(res, answer, false);
    sendProblem(res, answer, requestIdOf(req), req.path);
  });
  app.use(problemHandler(logger, onRefusal, evidence, onAnswer));
}

/** Called for each problem before it is sent; `recorded`: whether an event of it is written. */
type OnAnswer = (res: Response, answer: Refusal, recorded: boolean) => void;

/** Tells the gateway whether it has to write the event. */
const sayRecorded: OnAnswer = (res, { code }, recorded) => {
  if (!res.headersSent) res.setHeader(RECORD_HEADER, recorded ? RECORDED : code);
};

function problemHandler(
  logger: Logger,
  onRefusal: OnRefusal | undefined,
  evidence: ReadonlySet<string>,
  onAnswer: OnAnswer | undefined,
): ErrorRequestHandler {
  return async (thrown: unknown, req, res, _next) => {
    const { refusal, unexpected } = refusalOf(thrown);
    // A service's own class may tell its caller what is damaged; what a library found stays inside.
    const inside = refusal.kind === "internal" && !(thrown instanceof AppError);
    let answer: Refusal = inside
      ? { ...refusal, code: "internal_error", message: "", errors: undefined }
      : refusal;
    const line = {
      err: thrown,
      requestId: requestIdOf(req),
      traceId: traceIdOf(req),
      method: req.method,
      ...(thrown instanceof AnswerUnfit && { reason: `unfit at ${thrown.paths.join(", ")}` }),
    };
    if (unexpected || inside) logger.error(line, "request failed");
    else if (STATUS_OF_KIND[refusal.kind] >= 500) logger.warn(line, "request could not be served");
    // What a parser refused (malformed JSON, a path that does not decode) names nobody and nothing.
    const isOurs = thrown instanceof AppError || !/^(invalid|not_found)$/.test(refusal.kind);
    let recorded = isRecorded(thrown);
    if (onRefusal && isOurs && evidence.has(refusal.kind) && !recorded) {
      try {
        const error = thrown instanceof AppError ? thrown : new RequestFailed(refusal);
        await onRefusal(req, actorOrNull(req), error);
        recorded = true;
      } catch (err) {
        // A refusal without evidence would be a way to probe unseen.
        logger.error({ err, requestId: requestIdOf(req) }, "a refusal could not be recorded");
        const failed = refusalOf(err).refusal;
        answer = failed.kind === "unavailable" ? failed : new Unavailable();
      }
    }
    onAnswer?.(res, answer, recorded);
    sendProblem(res, answer, requestIdOf(req), req.path);
  };
}

const adminApps = new WeakMap<object, Express>();

/** The app of the admin port that belongs to `app`: health and metrics. */
export function adminAppOf(app: Express): Express | undefined {
  return adminApps.get(app);
}

/** Health, Prometheus metrics and the level of the log, for a port that only operators reach. */
export function adminApp(app: Express, readiness: Readiness, logger: Logger): Express {
  const admin = express();
  admin.disable("x-powered-by");
  admin.use((req, res, next) => {
    beginRequest(req, res);
    next();
  });
  mountHealth(admin, app, readiness);
  observeReadiness(app, readiness);
  mountLogLevel(admin, logger);
  admin.get("/metrics", async (_req, res) => {
    const registry = metricsOf(app);
    res.type(registry.contentType).send(await registry.metrics());
  });
  endApp(admin, logger);
  return admin;
}
