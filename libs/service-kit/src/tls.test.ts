import { once } from "node:events";
import type { Server } from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { type CertificateFiles, certificateFiles, createTestAuthority } from "@medvault/testing";
import type { Express } from "express";
import { Pool } from "undici";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { capturedLogger } from "../test/harness.ts";
import { bareApp } from "./app.ts";
import { connectorOf } from "./connector.ts";
import { createListener } from "./listener.ts";
import { type ServeOptions, serve } from "./serve.ts";
import { openTls, type Tls } from "./tls.ts";

const LOOK_MS = 20;
const EXPIRED = new Date(Date.now() - 60_000);

let ours: Awaited<ReturnType<typeof createTestAuthority>>;
let others: typeof ours;
const folders: CertificateFiles[] = [];

beforeAll(async () => {
  [ours, others] = await Promise.all([createTestAuthority("ours"), createTestAuthority("others")]);
});
afterAll(() => {
  for (const folder of folders) folder.remove();
});

function givenFiles(parts: Parameters<CertificateFiles["write"]>[0]): CertificateFiles {
  const files = certificateFiles();
  folders.push(files);
  files.write(parts);
  return files;
}

async function givenTls(parts: Parameters<CertificateFiles["write"]>[0], log = capturedLogger()) {
  const files = givenFiles(parts);
  const tls = await openTls(files.settings, log.logger, LOOK_MS);
  onTestFinished(() => tls.close());
  return { files, tls, log };
}

/** A service of our authority, which only lets clients of our authority in. */
async function startService(options: Partial<ServeOptions> = {}, alsoTrusted = "") {
  const given = await givenTls({ ...(await ours.issue()), clientCa: ours.ca + alsoTrusted });
  const app: Express = bareApp(given.log.logger);
  app.get("/hello", (_req, res) => void res.json({ hello: "world" }));
  const running = await serve({
    app,
    adminApp: app,
    port: 0,
    adminPort: 0,
    logger: given.log.logger,
    onStop: [],
    exit: () => {},
    tls: given.tls,
    ...options,
  });
  onTestFinished(() => running.stop());
  return { ...running, ...given };
}

/** The port on which a server answers every request, until the test ends. */
async function serving(server: Server): Promise<number> {
  server.on("request", (_req, res) => res.end("ok"));
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** One GET /hello on a connection of its own, as our services call each other. */
async function call(tls: Tls | null, port: number, host = "127.0.0.1"): Promise<string> {
  const pool = new Pool(`https://${host}:${port}`, { connect: connectorOf(tls, 2_000) });
  try {
    const { statusCode, body } = await pool.request({ method: "GET", path: "/hello" });
    await body.dump();
    return String(statusCode);
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    await pool.destroy();
  }
}

test("a client with a certificate of the right CA is served; without one, or with another's, it gets no answer", async () => {
  const { port, log } = await startService();
  const good = await givenTls({ ...(await ours.issue()), ca: ours.ca });
  const bare = await givenTls({ ca: ours.ca });
  const foreign = await givenTls({ ...(await others.issue()), ca: ours.ca });
  expect(await call(good.tls, port)).toBe("200");
  expect(await call(bare.tls, port)).toMatch(/CERTIFICATE_REQUIRED|ECONNRESET|UND_ERR_SOCKET/);
  expect(await call(foreign.tls, port)).toMatch(/ECONNRESET|UND_ERR_SOCKET/);
  const refused = () => log.entries().filter(({ msg }) => msg === "a TLS handshake was refused");
  await vi.waitFor(() => expect(refused()).toHaveLength(2));
  expect(refused().map(({ reason }) => reason)).toEqual(
    expect.arrayContaining(["ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"]),
  );
  expect(await call(good.tls, port)).toBe("200");
});

test("a client's certificate that ended yesterday is refused by the service that it calls", async () => {
  const { port, log } = await startService();
  const client = connectTls({
    port,
    host: "127.0.0.1",
    ca: ours.ca,
    ...(await ours.issue({ notAfter: EXPIRED })),
  });
  client.on("error", () => {});
  client.write("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await text(client)).toBe("");
  await vi.waitFor(() => expect(log.text()).toContain("CERT_HAS_EXPIRED"));
});

test("a server's certificate does not make a client of its holder, nor a client's a server", async () => {
  const { port, log } = await startService();
  const database = await givenTls({ ...(await ours.issue({ good: "for servers" })), ca: ours.ca });
  expect(await call(database.tls, port)).toMatch(/ECONNRESET|UND_ERR_SOCKET/);
  await vi.waitFor(() => expect(log.text()).toContain("INVALID_PURPOSE"));
  const other = await serving(createServer(await ours.issue({ good: "for clients" })));
  expect(await call(database.tls, other)).toBe("INVALID_PURPOSE");
});

test("a caller refuses a service of another CA, for another name, expired, in plain, and one that it has no CA for", async () => {
  const caller = await givenTls({ ...(await ours.issue()), ca: ours.ca });
  const outcome = async (certificate: { cert: string; key: string }, host?: string) =>
    call(caller.tls, await serving(createServer(certificate)), host);
  expect(await outcome(await ours.issue())).toBe("200");
  expect(await outcome(await ours.issue({ names: ["localhost"] }), "localhost")).toBe("200");
  expect(await outcome(await others.issue())).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
  expect(await outcome(await ours.issue({ names: ["localhost", "127.0.0.2"] }))).toBe(
    "ERR_TLS_CERT_ALTNAME_INVALID",
  );
  expect(await outcome(await ours.issue({ names: ["records.example"] }), "localhost")).toBe(
    "ERR_TLS_CERT_ALTNAME_INVALID",
  );
  expect(await outcome(await ours.issue({ notAfter: EXPIRED }))).toBe("CERT_HAS_EXPIRED");
  const trusting = await givenTls({});
  const { port } = await startService();
  expect(await call(trusting.tls, port)).toMatch(
    /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN)$/,
  );
  const plain = await serving(createListener({ tls: null, logger: caller.log.logger }, () => {}));
  expect(await call(caller.tls, plain)).toMatch(/^ERR_SSL_/);
});

test("TLS 1.1 is not spoken, nor is HTTP without TLS on a port that has it", async () => {
  const { port } = await startService();
  const old = connectTls({
    port,
    host: "127.0.0.1",
    ca: ours.ca,
    maxVersion: "TLSv1.1",
    minVersion: "TLSv1.1",
  });
  const [refusal] = (await once(old, "error")) as [Error & { code: string }];
  expect(refusal.code).toMatch(/^ERR_SSL_/);
  const plain = connect(port, "127.0.0.1").on("error", () => {});
  plain.end("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await text(plain)).not.toContain("HTTP/1.1");
});

test("1.3 is preferred, and of TLS 1.2 no suite is spoken without forward secrecy and authenticated encryption", async () => {
  const { adminPort } = await startService(); // which asks for no certificate
  const spoken = async (options: object) => {
    const socket = connectTls({ port: adminPort, host: "127.0.0.1", ca: ours.ca, ...options });
    await once(socket, "secureConnect");
    onTestFinished(() => void socket.destroy());
    return socket.getProtocol();
  };
  expect(await spoken({})).toBe("TLSv1.3");
  const old = { maxVersion: "TLSv1.2" };
  expect(await spoken(old)).toBe("TLSv1.2");
  const cbc = "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA";
  for (const ciphers of [cbc, "AES128-GCM-SHA256:AES256-GCM-SHA384"])
    await expect(spoken({ ...old, ciphers }), ciphers).rejects.toThrow(/handshake failure/);
});

test("the admin port has the same TLS, and requires no client certificate", async () => {
  const { adminPort, port } = await startService();
  const probe = await givenTls({ ca: ours.ca });
  expect(await call(probe.tls, adminPort)).toBe("200");
  expect(await call(probe.tls, port)).not.toBe("200");
});

test("new files are loaded while requests flow, on both sides, and no request fails", async () => {
  const service = await startService({}, others.ca);
  const client = await givenTls({ ...(await ours.issue()), ca: ours.ca });
  const codes: string[] = [];
  let flowing = true;
  const traffic = (async () => {
    while (flowing) codes.push(await call(client.tls, service.port));
  })();
  const next = await ours.issue();
  service.files.write(next);
  const served = async () => {
    const socket = connectTls({ port: service.port, host: "127.0.0.1", ca: ours.ca, ...next });
    await once(socket, "secureConnect");
    const { raw } = socket.getPeerCertificate();
    socket.destroy();
    return raw.toString("base64").slice(0, 60);
  };
  const expected = next.cert.replace(/-----.*|\s/g, "").slice(0, 60);
  await vi.waitFor(async () => expect(await served()).toBe(expected), { timeout: 5_000 });
  client.files.write(await others.issue());
  await vi.waitFor(() => expect(client.log.text()).toContain("TLS files read again"));
  await vi.waitFor(() => expect(codes.length).toBeGreaterThan(20), { timeout: 10_000 });
  flowing = false;
  await traffic;
  expect(new Set(codes)).toEqual(new Set(["200"]));

  service.files.write({ clientCa: ours.ca });
  await vi.waitFor(async () => expect(await call(client.tls, service.port)).not.toBe("200"), {
    timeout: 5_000,
  });
});

test("a new pair that does not fit is logged once, and the old one is served until one fits", async () => {
  const { port, files, log } = await startService();
  const client = await givenTls({ ...(await ours.issue()), ca: ours.ca });
  const stray = await ours.issue();
  const bad = [
    [{ cert: stray.cert }, "is not the key of the certificate"],
    [{ cert: "-----BEGIN CERTIFICATE-----\nhalf" }, "is not a readable file of PEM certificates"],
    [{ ...stray, key: "rubbish" }, "is not a readable file of a PEM private key"],
    [await ours.issue({ notAfter: EXPIRED }), "has expired"],
  ] as const;
  for (const [parts, words] of bad) {
    files.write(parts);
    await vi.waitFor(() => expect(log.text()).toContain(words));
    expect(await call(client.tls, port)).toBe("200");
  }
  const refused = log.entries().filter(({ msg }) => String(msg).startsWith("new TLS files do not fit"));
  expect(refused.length).toBeLessThanOrEqual(2 * bad.length);
  expect(log.text()).not.toContain("PRIVATE KEY");
  files.write(await ours.issue());
  await vi.waitFor(() => expect(log.text()).toContain("TLS files read again"));
  expect(await call(client.tls, port)).toBe("200");
});

test("at start every file that does not fit is named at once, without its content", async () => {
  const { logger } = capturedLogger();
  const open = (parts: Parameters<CertificateFiles["write"]>[0]) =>
    openTls(givenFiles(parts).settings, logger);
  const { cert } = await ours.issue();
  await expect(open({ cert, key: "hunter2", ca: "hunter2", clientCa: "" })).rejects.toMatchObject({
    name: "ConfigError",
    settings: ["MEDVAULT_TLS_CA_FILE", "MEDVAULT_TLS_CLIENT_CA_FILE", "MEDVAULT_TLS_KEY_FILE"],
    message: expect.not.stringContaining("hunter2"),
  });
  await expect(open({ cert })).rejects.toThrow("MEDVAULT_TLS_KEY_FILE (missing");
  await expect(open({ clientCa: ours.ca })).rejects.toThrow("MEDVAULT_TLS_CERT_FILE (missing");
  await expect(open(await ours.issue({ notAfter: EXPIRED }))).rejects.toThrow("has expired");
  await expect(openTls({ MEDVAULT_TLS_CA_FILE: "/nowhere" }, logger)).rejects.toThrow("not a readable file");
  expect((await openTls({}, logger)).listener).toBeNull();
});

test("behind something that ends TLS the public port is plain, and the admin port is not", async () => {
  const files = givenFiles({ ...(await ours.issue()), ca: ours.ca });
  const tls = await openTls({ ...files.settings, MEDVAULT_TLS_TERMINATED: true }, capturedLogger().logger);
  onTestFinished(() => tls.close());
  expect(tls.listener).toBeNull();
  expect(tls.adminListener).not.toBeNull();
});

test("under TLS too: what the parser refuses is a problem, slow headers are cut, and so are slow handshakes", async () => {
  const malformed: string[] = [];
  const { tls, log } = await givenTls({ ...(await ours.issue()) });
  const quick: Tls = { ...tls, listener: { ...tls.listener, handshakeTimeout: 300 } };
  const listener = createListener(
    {
      tls: quick,
      logger: log.logger,
      http: { headersTimeout: 300, connectionsCheckingInterval: 50 },
      onMalformed: (address) => malformed.push(address),
    },
    () => {},
  );
  const port = await serving(listener);
  const send = async (bytes: string) => {
    const socket = connectTls({ port, host: "127.0.0.1", ca: ours.ca }).on("error", () => {});
    socket.write(bytes);
    return text(socket);
  };
  expect(await send("GET / HTTP/1.1\r\nBad Header: x\r\n\r\n")).toMatch(
    /^HTTP\/1.1 400 [\s\S]+invalid_input/,
  );
  expect(await send(`GET / HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(17_000)}\r\n\r\n`)).toMatch(
    /^HTTP\/1.1 431 /,
  );
  expect(malformed).toHaveLength(2);
  expect(await send("GET / HTTP/1.1\r\nHost: x\r\n")).toMatch(/^HTTP\/1.1 408 [\s\S]+request_timeout/);
  const silent = connect(port, "127.0.0.1").on("error", () => {});
  await once(silent, "close");
  await vi.waitFor(() => expect(log.text()).toContain("ERR_TLS_HANDSHAKE_TIMEOUT"));
  expect(malformed).toHaveLength(2);
});
