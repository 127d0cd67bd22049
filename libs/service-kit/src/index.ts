export { assertStepUp, STEP_UP_SECONDS } from "./access.ts";
export {
  type AppOptions,
  adminApp,
  bareApp,
  createApp,
  EVIDENCE_KINDS,
  endApp,
  markRecorded,
  type OnRefusal,
} from "./app.ts";
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
export { BoundedMap } from "./bounded-map.ts";
export {
  CallingConfig,
  CommonConfig,
  ConfigError,
  finalRotationHours,
  loadConfig,
  maxUploadBytes,
  policyFile,
  readableFile,
  redisUrl,
  tokenIssuer,
  urlOf,
  wholeNumber,
} from "./config.ts";
export { connectorOf } from "./connector.ts";
export { type CheckState, mountHealth, type Readiness, stateOf } from "./health.ts";
export { Lifecycle, lifecycleOf } from "./lifecycle.ts";
export { createListener } from "./listener.ts";
export { createLogger, type Logger, type LoggerOptions } from "./logger.ts";
export { metricsOf } from "./metrics.ts";
export { addressRanges, isAddress, networkOf, plainAddress } from "./network.ts";
export { problemOf, type Refusal, refusalOf, sendProblem } from "./problem.ts";
export { requestIdOf, traceparentOf } from "./request.ts";
export {
  type Answer,
  type Call,
  matchedRoute,
  Route,
  route,
  streamRoute,
  type WriteRequest,
} from "./route.ts";
export { type Running, type ServeOptions, serve } from "./serve.ts";
export { openTls, type Tls, type TlsSettings } from "./tls.ts";
export { etagOf, ifMatch, parse } from "./validation.ts";
export type { OnMalformed } from "./wire.ts";
