export { assertStepUp } from "./access.ts";
export { adminApp, bareApp, createApp, EVIDENCE_KINDS, endApp, markRecorded } from "./app.ts";
export { loadAssertionVerifier, readAssertionKey, readJwks } from "./assertion-key.store.ts";
export {
  type Asserted,
  type AssertionKey,
  AssertionVerifier,
  CLOCK_TOLERANCE_S,
  type Claims,
  importAssertionKey,
  isUntimely,
  newAssertionKey,
  publicJwksOf,
  signAssertion,
  UNTIMELY_HEADER,
} from "./assertions.ts";
export type { JsonLimit } from "./body.ts";
export { BoundedMap } from "./bounded-map.ts";
export {
  CallingConfig,
  CommonConfig,
  ConfigError,
  clinicTimeZone,
  fileSetting,
  finalRotationHours,
  geoipFile,
  loadConfig,
  maxUploadBytes,
  type Place,
  places,
  policyFile,
  RedisConfig,
  readableFile,
  tokenIssuer,
  urlOf,
  wholeNumber,
} from "./config.ts";
export { connectorOf } from "./connector.ts";
export { claimsOfDelegate, type Delegations, delegationsOf, isDelegation } from "./delegation.client.ts";
export { EXIT, type ExitCode, exitCodeOf } from "./exit-code.ts";
export { expectedBy } from "./expected.ts";
export { type CheckState, mountHealth, type Readiness, stateOf } from "./health.ts";
export { type Caller, callerOf, type InternalClient, internalClient } from "./internal.client.ts";
export { endOfString, stringOf } from "./json-string.ts";
export { lifecycleOf } from "./lifecycle.ts";
export { createListener } from "./listener.ts";
export { type Locate, locationName, openLocations } from "./location.ts";
export { createLogger, type Logger } from "./logger.ts";
export { metricsOf } from "./metrics.ts";
export { addressRanges, isAddress, networkOf, plainAddress } from "./network.ts";
export { type NameOf, type People, peopleClient } from "./people.client.ts";
export { problemOf } from "./problem.ts";
export { CHALLENGE_HEADER, PROOF_HEADER, proofOf } from "./proof.ts";
export { sayRefusedStart } from "./refused-start.ts";
export { delegatedCharts, noteRoute, noteSession, requestIdOf, traceparentOf } from "./request.ts";
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
export {
  type Contents,
  readableDirectory,
  readSettings,
  unknownSettings,
  writableDirectory,
} from "./settings.ts";
export { answerWhileStarting } from "./starting.ts";
export { openTls, type Tls, type TlsSettings } from "./tls.ts";
export { etagOf, ifMatch, parse } from "./validation.ts";
export { VERSION } from "./version.ts";
