export { actor } from "./actors.ts";
export { testAssertions } from "./assertions.ts";
export { createTestBroker, type TestBroker } from "./broker.ts";
export {
  type CertificateFiles,
  certificateFiles,
  createTestAuthority,
  type TestAuthority,
  type TestCertificate,
} from "./certificates.ts";
export { type CollectedSpan, type Collector, startCollector } from "./collector.ts";
export { createTestDatabase, type TestDatabase } from "./database.ts";
export { type Disk, givenDisk, mountDisk } from "./disks.ts";
export { drainedEvents, pendingEvents } from "./events.ts";
export { listening, signedIn, type TestAnswer, type TestClient } from "./http.ts";
export { testKeyring } from "./keyring.ts";
export { testLogger } from "./logger.ts";
export { metricOf } from "./metric.ts";
export { givenMmdb } from "./mmdb.ts";
export { type ReadPdf, readPdf } from "./pdf.ts";
export { startPeople } from "./people.ts";
export { readingsBeyond } from "./plans.ts";
export { freePort } from "./ports.ts";
export { createProxy, type TestProxy } from "./proxy.ts";
export { createTestRedis, type TestRedis } from "./redis.ts";
export { startTestService, type TestService, type TestServiceOptions } from "./service.ts";
export { watchStatements } from "./statements.ts";
