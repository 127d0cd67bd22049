import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { parentPort, workerData } from "node:worker_threads";

/**
 * A small server that speaks what Vault's transit engine speaks (keys, rotate, encrypt, decrypt,
 * datakey; HTTP API v1), in a thread of its own: the provider blocks its own thread while it waits.
 * Messages: {sealed, failing: statuses to answer before anything else, namespace: the only one
 * there is, ttl: of the token, in seconds}.
 */
const { token } = workerData as { token: string };
const keys = new Map<string, Buffer[]>();
let isSealed = false;
let failing: number[] = [];
let namespace: string | undefined;
let ttl = 0;
parentPort?.on(
  "message",
  (message: { sealed?: boolean; failing?: number[]; namespace?: string; ttl?: number }) => {
    isSealed = message.sealed ?? false;
    failing = message.failing ?? [];
    namespace = message.namespace;
    ttl = message.ttl ?? 0;
    parentPort?.postMessage({ sealed: isSealed });
  },
);

interface Answer {
  status: number;
  data?: Record<string, unknown>;
}

const server = createServer(async (request, response) => {
  const { status, data } = await answer(request);
  response.writeHead(status, { "content-type": "application/json" });
  response.end(
    JSON.stringify(data ? { request_id: "r", lease_id: "", renewable: false, data } : { errors: ["no"] }),
  );
});
server.listen(0, "127.0.0.1", () => {
  parentPort?.postMessage({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
});

async function answer(request: IncomingMessage): Promise<Answer> {
  const failure = failing.shift();
  if (failure !== undefined) return { status: failure };
  if (isSealed) return { status: 503 };
  if (request.headers["x-vault-namespace"] !== namespace) return { status: 404 };
  if (request.headers["x-vault-token"] !== token) return { status: 403 };
  if (request.url === "/v1/auth/token/lookup-self")
    return { status: 200, data: { ttl, creation_ttl: 2_764_800, renewable: true } };
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body =
    chunks.length > 0 ? (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string>) : {};
  const [, engine, verb = "", ...rest] = (request.url ?? "").slice(1).split("/");
  const name = rest.find((part) => !["wrapped", "plaintext", "rotate"].includes(part)) ?? "";
  if (engine !== "transit" || (request.method !== "POST" && request.method !== "GET")) return { status: 404 };
  if (verb === "keys" && request.method === "POST") {
    keys.set(name, [...(rest.includes("rotate") ? (keys.get(name) ?? []) : []), randomBytes(32)]);
    return { status: 200, data: {} };
  }
  const versions = keys.get(name);
  if (!versions) return { status: 400 };
  if (verb === "keys")
    return { status: 200, data: { name, type: "aes256-gcm96", latest_version: versions.length } };
  if (verb === "encrypt")
    return {
      status: 200,
      data: { ciphertext: encrypt(versions, Buffer.from(body.plaintext ?? "", "base64")) },
    };
  if (verb === "datakey") {
    const key = randomBytes(32);
    const ciphertext = encrypt(versions, key);
    const plaintext = rest.includes("plaintext") ? { plaintext: key.toString("base64") } : {};
    return { status: 200, data: { ciphertext, ...plaintext } };
  }
  const plaintext = verb === "decrypt" ? decrypt(versions, body.ciphertext ?? "") : null;
  return plaintext ? { status: 200, data: { plaintext: plaintext.toString("base64") } } : { status: 400 };
}

function encrypt(versions: readonly Buffer[], plaintext: Buffer): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", versions.at(-1) ?? Buffer.alloc(32), nonce);
  const sealed = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return `vault:v${versions.length}:${sealed.toString("base64")}`;
}

function decrypt(versions: readonly Buffer[], ciphertext: string): Buffer | null {
  const [, version = "", text = ""] = ciphertext.split(":");
  const key = versions[Number(version.slice(1)) - 1];
  const bytes = Buffer.from(text, "base64");
  if (!key || bytes.length < 28) return null;
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
  } catch {
    return null;
  }
}
