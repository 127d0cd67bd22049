import { mkdtemp, rm, writeFile } from "node:fs/promises";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_PERMISSIONS, newId, type Role } from "@medvault/contracts";
import { AssertionVerifier, type Claims, newAssertionKey } from "@medvault/service-kit";
import {
  createProxy,
  createTestBroker,
  createTestRedis,
  type TestBroker,
  type TestProxy,
  type TestRedis,
} from "@medvault/testing";
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
} from "jose";
import { SERVICES, type ServiceName } from "../src/routing/route-table.ts";

export const now = () => Math.floor(Date.now() / 1000);

/** What a fake upstream saw of one request. */
interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
  claims: Claims | null;
}

/** A real HTTP server in the place of a service; its handler can be exchanged to misbehave. */
class FakeService {
  readonly name: ServiceName;
  readonly seen: Seen[] = [];
  handler: ((req: IncomingMessage, res: ServerResponse, body: string) => void) | null = null;
  /** Takes the request before its body is read. */
  raw: RequestListener | null = null;
  ready: { status: number; body: unknown } = { status: 200, body: { status: "ok", checks: {} } };
  verifier: AssertionVerifier | null = null;
  #server: Server | null = null;
  port = 0;

  constructor(name: ServiceName) {
    this.name = name;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const server = createServer((req, res) => {
      this.#answer(req, res).catch(() => res.destroy()); // the client went away in the middle
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
    if (req.url === "/readyz")
      return void res.writeHead(this.ready.status).end(JSON.stringify(this.ready.body));
    if (this.raw) return void this.raw(req, res);
    let body = "";
    req.on("error", () => undefined);
    for await (const chunk of req) body += String(chunk);
    const token = String(req.headers["x-medvault-assertion"] ?? "");
    const claims = (await this.verifier?.verify(token).catch(() => null)) ?? null;
    const { method = "", url = "", headers } = req;
    this.seen.push({ method, url, headers, body, claims });
    if (this.handler) return this.handler(req, res, body);
    res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ service: this.name }));
  }
}

/** What auth does for the gateway: signs tokens, publishes keys, fills Redis, answers for sessions. */
class FakeAuth {
  readonly issuer = "medvault";
  readonly sessions = new Map<string, Record<string, unknown>>();
  jwksRequests = 0;
  introspections = 0;
  /** Sessions that a strange client was reported of, each time; what is answered to it. */
  readonly strange: string[] = [];
  strangeEnds = true;
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
        this.strange.push(reported);
        return json(200, { ended: this.strangeEnds });
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

export interface Person {
  sub: string;
  sid: string;
  role: Role;
  token: string;
}

export interface Surroundings {
  services: Record<ServiceName, FakeService>;
  auth: FakeAuth;
  redis: TestRedis;
  /** What the gateway reaches Redis through, to take it away. */
  redisLink: TestProxy;
  broker: TestBroker;
  /** The settings of a gateway amid all this. */
  env: Record<string, string>;
  /** Somebody with a live session, in Redis and at auth. */
  signIn(
    role: Exclude<Role, "guest">,
    options?: { cached?: boolean; session?: Record<string, string>; claims?: JWTPayload },
  ): Promise<Person>;
  close(): Promise<void>;
}

/** All that a gateway needs around it: real Redis, real RabbitMQ, its key, and five fake services. */
export async function givenSurroundings(): Promise<Surroundings> {
  const [redis, broker] = await Promise.all([createTestRedis(), createTestBroker()]);
  const redisLink = await createProxy(redis.url);
  const { privateJwk, jwks } = await newAssertionKey();
  const dir = await mkdtemp(join(tmpdir(), "gateway-"));
  const keyFile = join(dir, "gateway.json");
  await writeFile(keyFile, JSON.stringify({ service: "gateway", signing: privateJwk }), { mode: 0o600 });
  const services = Object.fromEntries(SERVICES.map((name) => [name, new FakeService(name)])) as Record<
    ServiceName,
    FakeService
  >;
  for (const service of Object.values(services)) {
    service.verifier = new AssertionVerifier(jwks, service.name);
    await service.start();
  }
  const auth = new FakeAuth();
  await auth.init();
  auth.serve(services.auth);
  await fillRedis(redis);
  const urls = Object.fromEntries(
    SERVICES.map((name) => [`MEDVAULT_${name.toUpperCase()}_URL`, services[name].url]),
  );
  const env = {
    NODE_ENV: "test",
    PORT: "0",
    ADMIN_PORT: "0",
    AMQP_URL: broker.url("gateway"),
    REDIS_URL: redisLink.url,
    MEDVAULT_KEYS_FILE: keyFile,
    MEDVAULT_RATE_LIMIT: "100000",
    ...urls,
  };
  const signIn: Surroundings["signIn"] = async (role, options = {}) => {
    const [sub, sid] = [newId(), newId()];
    const scope = DEFAULT_PERMISSIONS[role].join(" ");
    const session = {
      sub,
      role,
      pv: "1",
      idleEnd: String(Date.now() + 900_000),
      idleMs: "900000",
      absEnd: String(Date.now() + 3_600_000),
      uaHash: "",
      ip: "127.0.0.1",
      net: "127.0.0.1",
      bindAgent: "off",
      bindAddress: "off",
      transport: "bearer",
      csrf: "",
      mfa: "1",
      enroll: "0",
      ...options.session,
    };
    if (options.cached !== false) await redis.client.hset(`session:${sid}`, session);
    auth.sessions.set(sid, {
      ...session,
      scope: session.enroll === "1" ? "account:enroll:own" : scope,
      pv: 1,
      idleEnd: Number(session.idleEnd),
      absEnd: Number(session.absEnd),
    });
    const token = await auth.token({ sub, sid, role, scope, ...options.claims });
    return { sub, sid, role, token };
  };

  return {
    services,
    auth,
    redis,
    redisLink,
    broker,
    env,
    signIn,
    async close() {
      await Promise.all(Object.values(services).map((service) => service.stop()));
      await redisLink.close();
      await redis.close();
      await broker.close();
      await rm(dir, { recursive: true });
    },
  };
}

/** As auth does at its start: every role's permissions, then the mark with this Redis' run id. */
async function fillRedis(redis: TestRedis): Promise<void> {
  const runId = /^run_id:(\w+)/m.exec(await redis.client.info("server"))?.[1] ?? "";
  for (const [role, permissions] of Object.entries(DEFAULT_PERMISSIONS)) {
    await redis.client.mset(`pv:${role}`, "1", `scope:${role}`, permissions.join(" "));
  }
  await redis.client.set("sessions:filled", runId);
}
