import { X509Certificate } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { SERVICES_WITH_DATA } from "@medvault/postgres";
import { expect, onTestFinished, test } from "vitest";
import { runTool } from "./test/harness.ts";

async function givenFolder(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), "medvault-make-secrets-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

/** Every file below `dir`, with its content. */
async function contents(dir: string): Promise<Record<string, string>> {
  const files = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((one) => one.isFile());
  const read = files.map(async ({ parentPath, name }) => {
    const file = path.join(parentPath, name);
    return [path.relative(dir, file), await readFile(file, "utf8")] as const;
  });
  return Object.fromEntries(await Promise.all(read));
}

const certificate = (pem: string | undefined) => new X509Certificate(pem ?? "");

test("each part gets a certificate of its own, which no server can use to call a service", async () => {
  const dir = await givenFolder();
  const env = { MEDVAULT_PUBLIC_URL: "https://records.clinic.example" };
  expect(await runTool("make-secrets", [dir], env)).toMatchObject({ code: 0, err: "" });
  const files = await contents(dir);
  const authority = certificate(files["auth/ca.pem"]);
  const servers = ["postgres", "redis", "rabbitmq", "mail", "collector", "prometheus", "grafana"];
  for (const part of ["gateway", ...SERVICES_WITH_DATA, "jobs", ...servers]) {
    const own = certificate(files[`${part}/cert.pem`]);
    expect(own.verify(authority.publicKey), part).toBe(true);
    expect([own.checkHost(part), own.checkHost("localhost"), own.checkIP("127.0.0.1")]).not.toContain(
      undefined,
    );
    const isServer = servers.includes(part);
    expect(own.keyUsage?.includes("1.3.6.1.5.5.7.3.2"), part).toBe(!isServer);
  }
  expect(certificate(files["gateway/cert.pem"]).checkHost("records.clinic.example")).toBeTruthy();
  expect(certificate(files["auth/cert.pem"]).checkHost("records.clinic.example")).toBeUndefined();
});

test("each folder holds what its part needs and nothing of another's, for its user alone", async () => {
  const dir = await givenFolder();
  await runTool("make-secrets", [dir], {});
  const files = await contents(dir);
  const { roles, owner, postgres } = JSON.parse(files["own/passwords.json"] ?? "");
  for (const service of SERVICES_WITH_DATA) {
    expect(JSON.parse(files[`keys/${service}/${service}.json`] ?? "{}")).toMatchObject({ service });
    const said = Object.entries(files).flatMap(([name, text]) =>
      name.startsWith(`${service}/`) ? text : [],
    );
    expect(said.join()).toContain(roles[service]);
    for (const secret of [owner, postgres, roles[service === "auth" ? "files" : "auth"]])
      expect(said.join(), service).not.toContain(secret);
  }
  for (const name of Object.keys(files))
    expect([name, (await stat(path.join(dir, name))).mode & 0o777]).toEqual([name, 0o600]);
  expect(files["redis/redis.conf"]).toMatch(/^port 0$/m);
  expect(files["rabbitmq/rabbitmq.conf"]).toMatch(/^listeners.tcp = none$/m);
  expect(files["grafana/password"]).toMatch(/^[0-9a-f]{36}$/);
  expect(files["grafana/password"]).not.toBe(files["grafana/secret-key"]);
  expect(files["postgres/pg_hba.conf"]).not.toMatch(/^host /m);
});

test("a second run changes nothing; another public name makes one certificate again", async () => {
  const dir = await givenFolder();
  await runTool("make-secrets", [dir], {});
  const before = await contents(dir);
  expect(await runTool("make-secrets", [dir], {})).toMatchObject({ out: "Nothing was missing.\n" });
  expect(await contents(dir)).toEqual(before);
  const { out } = await runTool("make-secrets", [dir, "--json"], {
    MEDVAULT_PUBLIC_URL: "https://other.example",
  });
  expect(JSON.parse(out)).toMatchObject({ made: ["gateway/ca.pem", "gateway/key.pem", "gateway/cert.pem"] });
});

test("a lost key is not made again under data", async () => {
  const dir = await givenFolder();
  await runTool("make-secrets", [dir], {});
  await rm(path.join(dir, "keys/records/records.json"));
  expect(await runTool("make-secrets", [dir], {})).toMatchObject({
    code: 1,
    err: expect.stringMatching(/keys of records are gone.*keys recover/),
  });
});
