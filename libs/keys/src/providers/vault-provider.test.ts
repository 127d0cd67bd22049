import { once } from "node:events";
import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterAll, beforeEach, expect, test } from "vitest";
import { givenFolder } from "../../test/harness.ts";
import { KeyDocumentInvalid, KeyFileTooOpen, KeyVersionDestroyed, VaultRefused } from "../errors.ts";
import { createKeyring } from "../keyring/keyring.ts";
import { generateKeyFile } from "../operations/generate.ts";
import { moveKeysToVault } from "../operations/vault-move.ts";
import type { VaultPlace } from "./key-document.ts";
import { changeKeyFile, readKeyFile } from "./key-file.ts";
import { withNextVersion, withoutVersion } from "./key-versions.ts";
import { newKeyFor } from "./new-key.ts";
import { tokenLife } from "./vault.client.ts";

const TOKEN = "hvs.test-token";
const secret = Buffer.alloc(32, 9);
const server = new Worker(new URL("../../test/transit-server.ts", import.meta.url), {
  workerData: { token: TOKEN },
});
afterAll(() => server.terminate());
const [{ url }] = (await once(server, "message")) as [{ url: string }];
const folder = await givenFolder();
const path = join(folder, "records.json");
const tokenFile = join(folder, "token");
await writeFile(
  tokenFile,
  `${TOKEN}
`,
  { mode: 0o600 },
);
const vault: VaultPlace = { url, tokenFile, keyName: "medvault-records", mount: "transit" };

const call = (route: string, method = "POST") =>
  fetch(`${url}/v1/transit/${route}`, { method, headers: { "x-vault-token": TOKEN } });
async function tell(message: object): Promise<void> {
  server.postMessage(message);
  await once(server, "message");
}
const sealVault = (sealed: boolean) => tell({ sealed });

beforeEach(async () => {
  await sealVault(false);
  await call("keys/medvault-records");
  await rm(path, { force: true });
  await generateKeyFile(path, "records");
});

const open = () => createKeyring({ service: "records", keysFile: path });
const rotate = () =>
  changeKeyFile(path, "records", async (document) =>
    withNextVersion(document, await newKeyFor(document), new Date()),
  );

test("keys move into Vault as they are: what was wrapped before opens, and no key is in the file any more", async () => {
  const before = await open();
  const wrapped = before.wrap(secret, ["subject", "a"]);
  const { key = "" } = readKeyFile(path, "records").document.versions[0] ?? {};
  expect(key).toHaveLength(44);
  await moveKeysToVault(path, "records", vault);
  const text = await readFile(path, "utf8");
  expect(text).not.toContain(key);
  expect(text).toContain("vault:v1:");
  const after = await open();
  expect(after.provider.kind).toBe("vault");
  expect(after.unwrap(wrapped, ["subject", "a"])).toEqual(secret);
  expect(before.unwrap(after.wrap(secret, ["table", "x"]), ["table", "x"])).toEqual(secret);
  await expect(moveKeysToVault(path, "records", vault)).rejects.toThrow(KeyDocumentInvalid);
});

test("a process that meets a version that Vault made since unwraps it there, at once, and a destroyed one opens nothing", async () => {
  await moveKeysToVault(path, "records", vault);
  const [running, rotator] = [await open(), await open()];
  const old = running.wrap(secret, ["subject", "a"]);
  await rotate();
  const rewrapped = rotator.rewrap(old, ["subject", "a"]) ?? old;
  expect(running.unwrap(rewrapped, ["subject", "a"])).toEqual(secret);
  expect(running.provider.current().version).toBe(2);
  await changeKeyFile(path, "records", (document) => withoutVersion(document, 1, new Date()));
  expect(() => running.unwrap(old, ["subject", "a"])).toThrow(KeyVersionDestroyed);
  expect((await open()).unwrap(rewrapped, ["subject", "a"])).toEqual(secret);
});

test("a rotation of Vault's own key changes nothing for us", async () => {
  await moveKeysToVault(path, "records", vault);
  const wrapped = (await open()).wrap(secret, ["table", "x"]);
  await call("keys/medvault-records/rotate");
  expect(await (await call("keys/medvault-records", "GET")).json()).toMatchObject({
    data: { latest_version: 2 },
  });
  await rotate();
  expect(await readFile(path, "utf8")).toMatch(/vault:v1:.*vault:v2:/s);
  expect((await open()).unwrap(wrapped, ["table", "x"])).toEqual(secret);
});

test("a sealed Vault, a wrong token and a missing key are refusals with their status, and a running process goes on", async () => {
  await moveKeysToVault(path, "records", vault);
  const running = await open();
  const wrapped = running.wrap(secret, ["table", "x"]);
  await sealVault(true);
  await expect(open()).rejects.toMatchObject({ code: "vault_refused", status: 503 });
  await expect(rotate()).rejects.toThrow(VaultRefused);
  expect(running.unwrap(wrapped, ["table", "x"])).toEqual(secret);
  await sealVault(false);
  await rotate();
  await sealVault(true);
  expect(running.unwrap(running.wrap(secret, ["table", "x"]), ["table", "x"])).toEqual(secret);
  await sealVault(false);
  await writeFile(vault.tokenFile, "hvs.other");
  const refused = await open().catch((error: unknown) => error);
  await writeFile(vault.tokenFile, TOKEN);
  expect(refused).toMatchObject({ code: "vault_refused", status: 403 });
  expect(String(refused)).not.toContain("hvs.");
  await rm(path);
  await generateKeyFile(path, "records");
  const before = await readFile(path);
  const nowhere = moveKeysToVault(path, "records", { ...vault, keyName: "none" });
  await expect(nowhere).rejects.toMatchObject({ status: 400 });
  expect(await readFile(path)).toEqual(before);
});

test("keys wrapped for one transit key do not come out of another, and never cross a network in the clear", async () => {
  await moveKeysToVault(path, "records", vault);
  await call("keys/medvault-files");
  await changeKeyFile(path, "records", (document) => ({
    ...document,
    vault: { ...vault, keyName: "medvault-files" },
  }));
  await expect(open()).rejects.toMatchObject({ code: "vault_refused", status: 400 });
  await changeKeyFile(path, "records", (document) => ({
    ...document,
    vault: { ...vault, url: "http://vault.example" },
  }));
  await expect(open()).rejects.toThrow("vault.url is not https");
  await chmod(path, 0o644);
  await expect(open()).rejects.toThrow(KeyFileTooOpen);
});

test.each([412, 429, 500, 502, 503])(
  "what Vault cannot do at the moment (%i) is asked again, not for ever",
  async (status) => {
    await moveKeysToVault(path, "records", vault);
    await tell({ failing: [status, status] });
    expect((await open()).provider.kind).toBe("vault");
    await tell({ failing: [status, status, status] });
    await expect(open()).rejects.toMatchObject({ code: "vault_refused", status });
  },
);

test.each([307, 400, 403, 404])(
  "what will not change (%i) is refused at once, and the token goes nowhere else",
  async (status) => {
    await moveKeysToVault(path, "records", vault);
    await tell({ failing: [status] });
    await expect(open()).rejects.toMatchObject({ code: "vault_refused", status });
    expect((await open()).provider.kind).toBe("vault");
  },
);

test("an enterprise's namespace is named in every call", async () => {
  await tell({ namespace: "clinic/east" });
  await expect(moveKeysToVault(path, "records", vault)).rejects.toMatchObject({ status: 404 });
  await moveKeysToVault(path, "records", { ...vault, namespace: "clinic/east" });
  const keyring = await open();
  await rotate();
  expect(keyring.unwrap(keyring.wrap(secret, ["table", "x"]), ["table", "x"])).toEqual(secret);
});

test("how long the token lives is asked of Vault", async () => {
  await tell({ ttl: 3_600 });
  expect(await tokenLife(vault)).toEqual({
    ttlSeconds: 3_600,
    creationTtlSeconds: 2_764_800,
    isRenewable: true,
  });
});
