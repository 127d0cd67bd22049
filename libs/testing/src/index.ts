export { type ActorOverrides, actor } from "./actors.ts";
export { claimsOf, type TestAssertions, testAssertions } from "./assertions.ts";
export { createTestBroker, type TestBroker } from "./broker.ts";
export {
  type CertificateFiles,
  certificateFiles,
  createTestAuthority,
  type TestAuthority,
  type TestCertificate,
} from "./certificates.ts";
export { createTestDatabase, type TestDatabase } from "./database.ts";
export { TestServersMissing } from "./environment.ts";
export { drainedEvents, pendingEvents } from "./events.ts";
export { listening, type RequestOptions, signedIn, type TestAnswer, type TestClient } from "./http.ts";
export { testKeyring } from "./keyring.ts";
export { type LoggedLine, testLogger } from "./logger.ts";
export { freePort } from "./ports.ts";
export { createProxy, type TestProxy } from "./proxy.ts";
export { createTestRedis, type TestRedis } from "./redis.ts";
export { startTestService, type TestService, type TestServiceOptions } from "./service.ts";
export { createTlsFront, type TlsFront } from "./tls-front.ts";
