/** The setting of a test server is missing: `npm test` starts the servers and sets it. */
class TestServersMissing extends Error {
  override readonly name = "TestServersMissing";
  constructor(variable: string) {
    super(`${variable} is not set. Tests use real servers: run \`npm test\`, which starts them and sets it.`);
  }
}

type TestVariable =
  | "MEDVAULT_TEST_DATABASE_URL"
  | "MEDVAULT_TEST_REDIS_URL"
  | "MEDVAULT_TEST_AMQP_URL"
  | "MEDVAULT_TEST_RABBITMQ_URL";

/** The URL of a test server. Throws TestServersMissing. */
export function testServer(variable: TestVariable): URL {
  const value = process.env[variable];
  if (value === undefined || value === "") throw new TestServersMissing(variable);
  return new URL(value);
}
