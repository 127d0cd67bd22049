import { readFileSync } from "node:fs";
import path from "node:path";
import { SERVICES_WITH_DATA } from "@medvault/postgres";
import { createTestDatabase, type TestDatabase } from "@medvault/testing";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { performanceDocument } from "../bench/document.ts";
import { openApiJson } from "../services/gateway/src/system/openapi.ts";
import { readCompliance } from "./compliance/compliance.ts";
import { complianceDocument } from "./compliance/document.ts";
import { clientTypes } from "./generated/client-types.ts";
import { describeSchema } from "./generated/describe-schema.ts";
import { settingNames } from "./generated/setting-names.ts";
import { root } from "./lib/paths.mjs";
import { configurationDocument } from "./settings/reference.ts";
import { TABLES, withTable } from "./settings/tables.ts";
import { prometheusRule } from "./telemetry/rules.ts";

// Files that are made from the code and committed, so that a review sees what changes. `npm test --
// dev/generated -u` writes them again; where CI finds them different, the test fails.
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase([...SERVICES_WITH_DATA]);
});
afterAll(() => database.drop());

test("openapi.json is what the gateway serves", async () => {
  const pretty = `${JSON.stringify(JSON.parse(openApiJson()), null, 2)}\n`;
  await expect(pretty).toMatchFileSnapshot("../openapi.json");
});

test("libs/client has the types of what the gateway serves", async () => {
  await expect(clientTypes(JSON.parse(openApiJson()))).toMatchFileSnapshot("../libs/client/src/schema.ts");
});

test.each(SERVICES_WITH_DATA)("schema.txt of %s is what its migrations make", async (service) => {
  const client = new pg.Client({ connectionString: database.ownerUrl });
  await client.connect();
  try {
    const text = `${await describeSchema(client, service)}\n${await describeSchema(client, `${service}_sys`)}`;
    await expect(text).toMatchFileSnapshot(`../services/${service}/schema.txt`);
  } finally {
    await client.end();
  }
});

test.each(Object.entries(TABLES))("the settings in %s are those of the schemas", async (readme, settings) => {
  const file = `../${readme}`;
  const text = withTable(readFileSync(path.join(root, readme), "utf8"), settings());
  await expect(text).toMatchFileSnapshot(file);
});

test("docs/configuration.md has every setting of every service, job and tool", async () => {
  await expect(configurationDocument()).toMatchFileSnapshot("../docs/configuration.md");
});

test("a service knows the names of all settings, its own or not", async () => {
  await expect(settingNames()).toMatchFileSnapshot("../libs/service-kit/src/setting-names.ts");
});

test("docs/performance.md shows what the committed baseline of the benchmark says", async () => {
  const json = (file: string) => JSON.parse(readFileSync(path.join(root, "bench", file), "utf8"));
  const text = performanceDocument(json("baseline.json"), json("steps.json"));
  await expect(text).toMatchFileSnapshot("../docs/performance.md");
});

test("the alert rules for Kubernetes are those of alerts.yml", async () => {
  await expect(prometheusRule()).toMatchFileSnapshot("../deploy/telemetry/prometheus-rule.yaml");
});

test("docs/compliance.md says what the map of requirements to tests says", async () => {
  const { chapters, answers } = readCompliance(root);
  await expect(complianceDocument(chapters, answers)).toMatchFileSnapshot("../docs/compliance.md");
});
