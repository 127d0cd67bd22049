export { createTestDatabase, type TestDatabase } from "./database.ts";
export { TestServersMissing } from "./environment.ts";
