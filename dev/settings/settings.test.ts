import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { EXIT, fileSetting } from "@medvault/service-kit";
import { expect, test } from "vitest";
import { root } from "../lib/paths.mjs";
import { environment, type ProcessName } from "../run/services.ts";
import { SERVICES } from "../servers/secrets.ts";
import type { TEST_URLS } from "../servers/test-servers.ts";
import { givenDataDir, runCommand } from "../test/harness.ts";
import { planned, settingFaults, settingWarnings } from "./faults.ts";
import { mailWarnings, serverFaults } from "./given-servers.ts";
import { declared, knownNames, SCHEMAS, settingsOf, settingsOfStart } from "./registry.ts";

test("every setting says what it does", () => {
  const all = Object.entries(SCHEMAS).flatMap(([process, schema]) => settingsOf(schema, process));
  expect(all.filter(({ help }) => help === "").map(({ name }) => name)).toEqual([]);
});

test("a setting that several services take from npm start has one definition", () => {
  const several = settingsOfStart().filter(
    ({ readers }) => readers.filter((one) => one in SCHEMAS).length > 1,
  );
  expect(several.map(({ name }) => name)).toContain("MEDVAULT_MAX_UPLOAD_BYTES");
  for (const { name, readers } of several) {
    const definitions = readers
      .filter((one) => one in SCHEMAS)
      .map((one) => SCHEMAS[one as ProcessName].shape[name]);
    expect(new Set(definitions).size, name).toBe(1);
  }
});

test("documents, the image and docker compose name only settings that there are", () => {
  const files = globSync(
    [
      "README.md",
      "*/README.md",
      "*/*/README.md",
      "docs/**/*.md",
      "Dockerfile",
      "docker-compose.yml",
      "dev/docker-compose.yml",
      "dev/*.mjs",
      ".ci/run",
    ],
    {
      cwd: root,
      exclude: (name) => name.includes("node_modules"),
    },
  );
  expect(files.length).toBeGreaterThan(15);
  const known = [...knownNames()].flatMap((name) => [name, fileSetting(name)]);
  for (const file of files) {
    // What ends in _ stands for all that begin so: MEDVAULT_TLS_*.
    for (const [name] of readFileSync(path.join(root, file), "utf8").matchAll(/\bMEDVAULT_[A-Z0-9_]+/g))
      expect(
        known.some((one) => (name.endsWith("_") ? one.startsWith(name) : one === name)),
        `${file}: ${name}`,
      ).toBe(true);
  }
});

const given = (name: ProcessName, settings: Record<string, string>) => environment(name, planned(settings));

test("a service gets what its schema declares and nothing else; npm start decides where it listens and whom it knows", () => {
  const settings = {
    MEDVAULT_HASHES_AT_ONCE: "2",
    MEDVAULT_RECORDS_CONNECTIONS: "4",
    MEDVAULT_TLS_CERT_FILE: "/cert",
    DATABASE_URL: "postgres://superuser@h/d",
    OTEL_SERVICE_NAME: "x",
    SOMETHING_ELSE: "secret",
  };
  expect(given("auth", settings)).toMatchObject({ MEDVAULT_HASHES_AT_ONCE: "2", OTEL_SERVICE_NAME: "x" });
  expect(given("records", settings)).toMatchObject({
    MEDVAULT_RECORDS_CONNECTIONS: "4",
    DATABASE_URL: "postgres://medvault_records:planned@127.0.0.1/planned",
  });
  const outside = ["PATH", "LANG", "TZ", "NODE_COMPILE_CACHE", "OTEL_SERVICE_NAME"];
  for (const name of [...SERVICES, "bootstrap", "restore"] as const) {
    const names = Object.keys(given(name, settings));
    expect(names.filter((one) => !declared[name].includes(one)).sort()).toEqual(outside.toSorted());
    expect(names).not.toContain("MEDVAULT_TLS_CERT_FILE");
    expect(names.includes("MEDVAULT_OWNER_DATABASE_URL")).toBe(name === "restore");
  }
});

const WRONG = {
  MEDVAULT_PORT: "0",
  MEDVAULT_RATE_LIMIT: "abc",
  MEDVAULT_MAX_UPLOAD_BYTES: "5e9",
  MEDVAULT_CORS_ORIGINS: "somewhere",
  MEDVAULT_TRUSTED_PROXIES: "10.0.0",
  MEDVAULT_GEOIP_FILE: "/nowhere/geo.mmdb",
  MEDVAULT_FINAL_ROTATION_AFTER_HOURS: "24",
  PASSWORD_POLICY: "none",
  AMQP_URL: "http://127.0.0.1",
};

test("every fault of every service's settings is named at once, each with what to do, before anything is started", async () => {
  const { code, said } = await runCommand("start.mjs", [], {
    ...WRONG,
    MEDVAULT_DATA: givenDataDir(),
    MEDVAULT_HASHES_AT_ONE: "2",
  });
  expect(code).toBe(EXIT.badSettings);
  expect(said.split("\n").sort()).toEqual(
    [
      "",
      "warning: MEDVAULT_HASHES_AT_ONE is no setting, and nothing reads it: did you mean MEDVAULT_HASHES_AT_ONCE?",
      "medvault: 9 things are not right; nothing was started.",
      "  MEDVAULT_PORT must be a whole number from 1 to 65535: change it, or leave it out.",
      "  MEDVAULT_RATE_LIMIT must be a whole number from 1 to 1000000000: change it, or leave it out.",
      "  MEDVAULT_MAX_UPLOAD_BYTES must be a whole number from 1 to 4294967296: change it, or leave it out.",
      "  MEDVAULT_CORS_ORIGINS must be origins (https://host), separated by commas: change it, or leave it out.",
      "  MEDVAULT_TRUSTED_PROXIES must be addresses or CIDR ranges, separated by commas: change it, or leave it out.",
      "  MEDVAULT_GEOIP_FILE must name a file that can be read: change it, or leave it out.",
      "  MEDVAULT_FINAL_ROTATION_AFTER_HOURS must be a number from 0 to 23, or off: change it, or leave it out.",
      "  PASSWORD_POLICY must be composition or nist: change it, or leave it out.",
      "  AMQP_URL must be a URL with amqp or amqps: change it, or leave it out.",
    ].sort(),
  );
});

test("a field policy that no service could follow is a fault, as are settings that do not fit each other", async () => {
  const policy = path.join(givenDataDir(), "policy.json");
  expect(await settingFaults({ MEDVAULT_POLICY_FILE: policy })).toEqual([
    "MEDVAULT_POLICY_FILE must name a file that can be read: change it, or leave it out.",
  ]);
  const file = path.join(root, "package.json"); // JSON, and no policy
  expect(await settingFaults({ MEDVAULT_POLICY_FILE: file })).toEqual([
    expect.stringMatching(/^MEDVAULT_POLICY_FILE: The field policy cannot be followed: /),
  ]);
  expect(
    await settingFaults({ MEDVAULT_LOGIN_RATE: "9", MEDVAULT_DEMO: "0", MEDVAULT_SMTP_URL: "" }),
  ).toEqual([]);
});

test("given servers that are away, or refuse the password, are named before anything is started, and no password is shown", async () => {
  const env = process.env as Record<keyof typeof TEST_URLS, string>;
  const given = {
    DATABASE_URL: env.MEDVAULT_TEST_DATABASE_URL,
    REDIS_URL: env.MEDVAULT_TEST_REDIS_URL,
    AMQP_URL: env.MEDVAULT_TEST_AMQP_URL,
    MEDVAULT_RABBITMQ_URL: env.MEDVAULT_TEST_RABBITMQ_URL,
  };
  const changed = (change: (url: URL) => void) =>
    Object.fromEntries(
      Object.entries(given).map(([name, value]) => {
        const url = new URL(value);
        change(url);
        return [name, url.href];
      }),
    );
  expect(await serverFaults(given, new Set())).toEqual([]);
  const wrong = await serverFaults(
    changed((url) => {
      url.password = "not-this-one";
    }),
    new Set(),
  );
  expect(wrong).toHaveLength(4);
  for (const fault of wrong)
    expect(fault).toMatch(/refuses this user name or password: correct them in the URL\.$/);
  const away = await serverFaults(
    changed((url) => {
      url.port = "2"; // fetch itself refuses 1
    }),
    new Set(["REDIS_URL"]),
  );
  expect(away.map((fault) => fault.split(":")[0])).toEqual([
    "DATABASE_URL",
    "AMQP_URL",
    "MEDVAULT_RABBITMQ_URL",
  ]);
  for (const fault of away) expect(fault).toContain("127.0.0.1:2 does not answer (ECONNREFUSED)");
  const sentinels = { REDIS_SENTINELS: "127.0.0.1:2,127.0.0.1:3" };
  expect(await serverFaults(sentinels, new Set())).toEqual([
    "REDIS_SENTINELS: REDIS_URL is missing, the Redis that they know: set it, or leave both out.",
  ]);
  expect(await serverFaults({ AMQP_NODES: "127.0.0.1:2" }, new Set())).toEqual([
    "AMQP_NODES: AMQP_URL is missing, the first of the nodes: set it, or leave both out.",
  ]);
  const unknown = { ...sentinels, REDIS_URL: "rediss://:pw@the-group" };
  expect(await serverFaults(unknown, new Set())).toEqual([
    expect.stringMatching(/^REDIS_URL: the-group does not answer: start it/),
  ]);
  expect(await mailWarnings("smtp://user:pw@127.0.0.1:2")).toEqual([
    "MEDVAULT_SMTP_URL: 127.0.0.1:2 does not answer; mails wait until it does.",
  ]);
  expect(await mailWarnings(undefined)).toEqual([]);
  for (const url of Object.values(given)) expect(`${wrong}${away}`).not.toContain(new URL(url).password);
});

test("files that are there and hold something else are faults", async () => {
  const data = givenDataDir();
  const file = path.join(data, "anything");
  writeFileSync(file, "-----BEGIN NOTHING-----\n");
  writeFileSync(path.join(data, "empty"), "");
  mkdirSync(path.join(data, "keys"));
  writeFileSync(path.join(data, "keys/records.json"), "{}", { mode: 0o600 });
  const faults = await settingFaults({
    MEDVAULT_DATA: data,
    MEDVAULT_GEOIP_FILE: file,
    MEDVAULT_TLS_CA_FILE: file,
    MEDVAULT_PASSWORD_LIST: path.join(data, "empty"),
  });
  expect(faults.map((fault) => fault.split(" ")[0])).toEqual([
    "MEDVAULT_GEOIP_FILE",
    "MEDVAULT_PASSWORD_LIST",
    "MEDVAULT_TLS_CA_FILE",
    "The",
  ]);
  expect(faults.at(-1)).toMatch(/^The service keys from .*records\.json are not usable: .*keys -- recover/);
});

test("an unknown MEDVAULT_ variable, and any that is nearly a setting, is named with the one that was probably meant", () => {
  const said = settingWarnings({
    MEDVAULT_RATELIMIT: "1",
    MEDVALUT_PORT: "1",
    DATABSE_URL: "postgres://h",
    PASSWORT_POLICY: "nist",
    RATE: "1",
    HOSTS: "1",
    MEDVAULT_RATE_LIMIT: "1",
    DATABASE_URL: "postgres://h",
  });
  expect(
    said.map((line) => line.replace(" is no setting, and nothing reads it: did you mean ", " → ")),
  ).toEqual([
    "MEDVAULT_RATELIMIT → MEDVAULT_RATE_LIMIT?",
    "MEDVALUT_PORT → MEDVAULT_PORT?",
    "DATABSE_URL → DATABASE_URL?",
    "PASSWORT_POLICY → PASSWORD_POLICY?",
  ]);
});
