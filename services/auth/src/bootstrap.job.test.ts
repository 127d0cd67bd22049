import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createKeyring, indexKey } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";
import { createTestDatabase, drainedEvents, type TestDatabase } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findAccountByIdentifier, openUserIndex } from "./accounts/account.store.ts";
import { createPasswordHasher } from "./passwords/password-hasher.service.ts";
import { faultsOf } from "./passwords/password-policy.ts";

const BOOTSTRAP = fileURLToPath(new URL("bootstrap.job.ts", import.meta.url));
const run = promisify(execFile);

let db: TestDatabase;
let dir: string;
let env: Record<string, string>;
beforeAll(async () => {
  db = await createTestDatabase(["auth"]);
  dir = await mkdtemp(path.join(tmpdir(), "medvault-bootstrap-"));
  const keysFile = path.join(dir, "auth.json");
  await generateKeyFile(keysFile, "auth");
  env = { NODE_ENV: "test", DATABASE_URL: db.url("auth"), MEDVAULT_KEYS_FILE: keysFile };
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
  await db.drop();
});

test("of two first starts at once one makes the admin and prints it on one line, the other finds it", async () => {
  const outputs = await Promise.all([1, 2].map(() => run(process.execPath, [BOOTSTRAP], { env })));
  for (const { stdout } of outputs) expect(stdout).toMatch(/^[^\n]+\n$/);
  const answers = outputs.map(({ stdout }) => JSON.parse(stdout) as Record<string, string>);
  const [made] = answers.filter((answer) => "password" in answer);
  expect(answers).toContainEqual({ exists: true });
  expect(Object.keys(made ?? {}).sort()).toEqual(["password", "totpSecret", "username"]);
  expect(faultsOf(made?.password ?? "", { username: "admin" })).toEqual([]);

  const pool = db.pool("auth");
  const keyring = await createKeyring({ service: "auth", keysFile: env.MEDVAULT_KEYS_FILE });
  const blindKey = await indexKey(pool, keyring, "auth.blind");
  const seals = { keyring, userIndex: await openUserIndex(pool, keyring), blindKey };
  const account = await findAccountByIdentifier(pool, seals, "admin");
  expect(account).toMatchObject({ role: "admin", mfaEnabled: true, totpSecret: made?.totpSecret });
  const hasher = await createPasswordHasher({ concurrent: 1, waitingMax: 1 });
  expect(await hasher.verify(account?.passwordHash ?? null, made?.password ?? "")).toBe(true);
  const events = await drainedEvents(pool);
  expect(events.map((event) => [event.type, event.data.actor])).toEqual([
    ["medvault.auth.user.created.v1", null],
  ]);
});

test("a setting that is missing is named, and nothing is printed that is no answer", async () => {
  const failed = await run(process.execPath, [BOOTSTRAP], { env: {} }).catch((error: unknown) => error);
  expect(failed).toMatchObject({ stdout: "", stderr: expect.stringContaining("DATABASE_URL") });
});
