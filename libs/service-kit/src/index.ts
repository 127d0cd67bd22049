export {
  actorOf,
  allow,
  demandStepUp,
  type MountedRoute,
  mountedRoutes,
  openToGuests,
  requireSession,
  requireStepUp,
  STEP_UP_SECONDS,
  scopeOfRequest,
} from "./access.ts";
export { type AppOptions, adminApp, bareApp, createApp, endApp, type OnRefusal } from "./app.ts";
export {
  ASSERTION_ISSUER,
  ASSERTION_LIFETIME_S,
  ASSERTION_TYPE,
  AssertionClaims,
  type AssertionKey,
  AssertionVerifier,
  type Claims,
  generateAssertionKey,
  importAssertionKey,
  loadAssertionVerifier,
  newAssertionKey,
  signAssertion,
} from "./assertions.ts";
export { DEFAULT_JSON_LIMIT_BYTES, type JsonLimit } from "./body.ts";
export { CommonConfig, ConfigError, finalRotationHours, loadConfig, urlOf } from "./config.ts";
export { type CheckState, mountHealth, type Readiness, stateOf } from "./health.ts";
export { Lifecycle, lifecycleOf } from "./lifecycle.ts";
export { createLogger, type Logger, type LoggerOptions } from "./logger.ts";
export { metricsOf } from "./metrics.ts";
export { networkOf } from "./network.ts";
export { problemOf, type Refusal, refusalOf, sendProblem } from "./problem.ts";
export { requestIdOf, traceparentOf } from "./request.ts";
export { HTTP_LIMITS, type Running, type ServeOptions, serve } from "./serve.ts";
export { etagOf, ifMatch, parse } from "./validation.ts";
export { type OnMalformed, refuseOnTheWire } from "./wire.ts";
