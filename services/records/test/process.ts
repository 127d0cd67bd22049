import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateKeyFile } from "@medvault/keys/operations";
import { createTestBroker, createTestDatabase, testAssertions } from "@medvault/testing";
import type pg from "pg";
import { expect } from "vitest";

/**
 * The service as it runs: a process with a database, a broker and a key file of its own. `prepare`
 * has them before it starts, and gives further settings.
 */
export async function startProcess(
  prepare: (pool: pg.Pool, keysFile: string) => Promise<Record<string, string>>,
) {
  const database = await createTestDatabase(["records", "backup"]);
  const broker = await createTestBroker();
  const folder = await mkdtemp(join(tmpdir(), "medvault-records-"));
  const keysFile = join(folder, "records.json");
  const jwksFile = join(folder, "gateway.jwks.json");
  await generateKeyFile(keysFile, "records");
  await writeFile(jwksFile, JSON.stringify((await testAssertions()).jwks));
  const pool = database.pool("records");
  const env = {
    NODE_ENV: "test",
    PORT: "0",
    ADMIN_PORT: "0",
    DATABASE_URL: database.url("records"),
    MEDVAULT_AUTH_URL: "http://127.0.0.1:1",
    MEDVAULT_AUDIT_URL: "http://127.0.0.1:1",
    AMQP_URL: broker.url("records"),
    MEDVAULT_ASSERTION_JWKS_FILE: jwksFile,
    ...(await prepare(pool, keysFile)),
  };
  const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
  const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  await expect.poll(() => out, { timeout: 10_000 }).toContain('"msg":"listening"');
  const line = out.split("\n").find((each) => each.includes('"msg":"listening"')) ?? "{}";
  const { port, adminPort } = JSON.parse(line) as { port: number; adminPort: number };
  return {
    pool,
    keysFile,
    url: `http://127.0.0.1:${port}`,
    metrics: async () => (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text(),
    ready: async (): Promise<unknown> => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).json(),
    /** Ends it by a signal, and gives its exit code. */
    async stop(): Promise<number | null> {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      const [code] = (await exited) as [number | null];
      await Promise.all([broker.close(), database.drop(), rm(folder, { recursive: true, force: true })]);
      return code;
    },
  };
}
