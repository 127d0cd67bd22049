import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { type AssertionVerifier, type Claims, UNTIMELY_HEADER } from "@medvault/service-kit";
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
} from "jose";
import type { ServiceName } from "../src/routing/route-table.ts";

export const now = () => Math.floor(Date.now() / 1000);

/** What a fake upstream saw of one request. */
interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
  claims: Claims | null;
}

/** A real HTTP server in place of a service; its handler can be exchanged to misbehave. */
export class FakeService {
  readonly name: ServiceName;
  readonly seen: Seen[] = [];
  handler: ((req: IncomingMessage, res: ServerResponse, body: string) => void) | null = null;
  /** Takes the request before its body is read. */
  raw: RequestListener | null = null;
  ready: { status: number; body: unknown } = { status: 200, body: { status: "ok", checks: {} } };
  verifier: AssertionVerifier | null = null;
  /** It takes connections and requests, and answers nothing. */
  hangs = false;
  /** By how much its clock is ahead, for `verifier` too. */
  clockMs = 0;
  #server: Server | null = null;
  port = 0;

  constructor(name: ServiceName) {
    this.name = name;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  now(): number {
    return Date.now() + this.clockMs;
  }

  async start(): Promise<void> {
    const server = createServer((req, res) => {
      this.#answer(req, res).catch(() => res.destroy()); // the client went away
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    this.port = (server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    server?.closeAllConnections();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (this.hangs) return;
    if (this.clockMs) res.setHeader("date", new Date(this.now()).toUTCString());
    if (req.url === "/readyz")
      return void res.writeHead(this.ready.status).end(JSON.stringify(this.ready.body));
    if (this.raw) return void this.raw(req, res);
    let body = "";
    req.on("error", () => undefined);
    for await (const chunk of req) body += String(chunk);
    const token = String(req.headers["x-medvault-assertion"] ?? "");
    let untimely = false;
    const verified = this.verifier?.verify(token).catch((error: Error) => {
      untimely = error.name === "AssertionUntimely";
      return null;
    });
    const claims = (await verified) ?? null;
    const { method = "", url = "", headers } = req;
    this.seen.push({ method, url, headers, body, claims });
    if (untimely) return void res.writeHead(401, { [UNTIMELY_HEADER]: "1" }).end("{}");
    if (this.handler) return this.handler(req, res, body);
    res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ service: this.name }));
  }
}

/** What auth does for the gateway: signs tokens, publishes keys, answers for sessions. */
export class FakeAuth {
  readonly issuer = "medvault";
  readonly sessions = new Map<string, Record<string, unknown>>();
  jwksRequests = 0;
  introspections = 0;
  /** The session of each binding violation that was reported, and whether auth ends it for that. */
  readonly violations: string[] = [];
  violationEnds = true;
  kid = "";
  key!: CryptoKey;
  publicJwk: Record<string, unknown> = {};

  async init(): Promise<void> {
    const pair = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
    this.key = pair.privateKey;
    const jwk = await exportJWK(pair.publicKey);
    this.kid = await calculateJwkThumbprint(jwk);
    this.publicJwk = { ...jwk, kid: this.kid, alg: "EdDSA", use: "sig" };
  }

  serve(service: FakeService): void {
    service.handler = (req, res) => {
      const json = (status: number, body: unknown) =>
        void res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      if (req.url === "/.well-known/jwks.json") {
        this.jwksRequests += 1;
        return json(200, { keys: [this.publicJwk] });
      }
      const reported = /^\/internal\/sessions\/(.+)\/strange-client$/.exec(req.url ?? "")?.[1];
      if (reported) {
        this.violations.push(reported);
        return json(200, { ended: this.violationEnds });
      }
      const sid = /^\/internal\/sessions\/(.+)$/.exec(req.url ?? "")?.[1];
      if (sid) {
        this.introspections += 1;
        const session = this.sessions.get(sid);
        return session ? json(200, session) : json(404, {});
      }
      return json(200, { service: "auth" });
    };
  }

  token(
    claims: JWTPayload,
    header: Record<string, unknown> = {},
    key: CryptoKey | Uint8Array = this.key,
  ): Promise<string> {
    return new SignJWT({
      iss: this.issuer,
      aud: "medvault-gateway",
      iat: now(),
      exp: now() + 300,
      amr: ["pwd", "otp", "mfa"],
      acr: "aal2",
      auth_time: now(),
      pv: 1,
      ...claims,
    })
      .setProtectedHeader({ alg: "EdDSA", typ: "at+jwt", kid: this.kid, ...header })
      .sign(key);
  }
}
