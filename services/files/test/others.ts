import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { AccessView, ASSERTION_HEADER, DELEGATION_PREFIX, DelegatedActor } from "@medvault/contracts";

/** Who may do what to whom, as the stand-in for records answers it. */
export type Grants = Map<
  string,
  {
    read: Set<string>;
    write: Set<string>;
    prescriptions: Set<string>;
    vouched: boolean;
    chart: string[];
    closed: string[];
  }
>;

interface Claims {
  sub: string;
  role: string;
  sid: string;
  scope: string;
}

/** What the others hold of a chart: its bundle's pages, and who used it. */
export interface Chart {
  /** Of each page its entries. */
  pages: object[][];
  log: string;
  /** Called before a page is sent. */
  onPage?: () => Promise<void>;
}

/**
 * An HTTP server in the place of records, auth and audit: the caller is read from the passed
 * assertion, unverified, or is whose the delegation is, and looked up in `grants`. The real ones
 * are in e2e.
 */
export async function startOthers(grants: Grants) {
  const delegations = new Map<string, { claims: Claims; patientIds: string[] }>();
  const charts = new Map<string, Chart>();
  /** Accounts that are disabled. */
  const disabled = new Set<string>();
  const unmasked: string[] = [];

  function claimsOf(req: IncomingMessage): Claims | null {
    const token = String(req.headers[ASSERTION_HEADER]);
    const delegated = delegations.get(token);
    if (delegated) return disabled.has(delegated.claims.sub) ? null : delegated.claims;
    if (token.startsWith(DELEGATION_PREFIX)) return null;
    return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Claims;
  }

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? "", "http://others");
    const claims = claimsOf(req);
    if (!claims) return json(res, 401, { code: "unauthenticated" });
    if (url.pathname === "/internal/people") return json(res, 503, { code: "unavailable" }); // names are null
    const [, patientId = ""] =
      /^\/(?:internal\/patients|v1\/fhir\/Patient)\/([^/]+)\//.exec(url.pathname) ?? [];
    const patient = grants.get(patientId);
    if (url.pathname.endsWith("/access")) {
      const action = url.searchParams.get("action") === "read" ? "read" : "write";
      const prescription = url.searchParams.get("prescriptionId");
      const allowed =
        patient?.[action].has(claims.sub) === true &&
        (prescription === null || patient.prescriptions.has(prescription));
      if (!allowed) return json(res, 404, { code: "not_found" });
      return json(res, 200, AccessView.parse({ allowed, patientId, reason: "assigned", ...patient }));
    }
    if (url.pathname === "/internal/delegations") {
      const token = DELEGATION_PREFIX + randomBytes(32).toString("hex");
      delegations.set(token, { claims, patientIds: (await bodyOf(req)).patientIds });
      return json(res, 201, { token, expiresAt: new Date(Date.now() + 3600_000).toISOString() });
    }
    if (url.pathname === "/internal/delegations/current") {
      const { sub: id, role, sid: sessionId, scope } = claims;
      const { patientIds } = delegations.get(String(req.headers[ASSERTION_HEADER])) ?? {};
      const permissions = scope.split(" ");
      return json(res, 200, DelegatedActor.parse({ id, role, sessionId, permissions, patientIds }));
    }
    if (!patient?.read.has(claims.sub)) return json(res, 404, { code: "not_found" });
    const chart = charts.get(patientId) ?? { pages: [[]], log: "time\r\n" };
    if (url.pathname.endsWith("/events")) {
      if (!/audit:read:/.test(claims.scope)) return json(res, 403, { code: "forbidden" });
      res.writeHead(200, { "content-type": "text/csv" });
      return void res.end(chart.log);
    }
    if (url.pathname.endsWith("/summary")) {
      res.writeHead(200, { "content-type": "application/pdf" });
      return void res.end(`%PDF of ${patientId}`);
    }
    if (url.searchParams.has("unmask")) unmasked.push(patientId);
    const at = Number(url.searchParams.get("_cursor") ?? 0);
    await chart.onPage?.();
    const self = { relation: "self", url: `/v1/fhir/Patient/${patientId}/$everything` };
    const next = { relation: "next", url: `${self.url}?_count=1&_cursor=${at + 1}` };
    const entry = (chart.pages[at] ?? []).map((resource) => ({ resource }));
    const link = at + 1 < chart.pages.length ? [self, next] : [self];
    json(res, 200, { resourceType: "Bundle", type: "searchset", entry, link });
  }

  const server = createServer((req, res) => void answer(req, res));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ charts, disabled, unmasked },
    /** The tokens that were given, in their order. */
    tokens: () => [...delegations.keys()],
    stop: () => stopServer(server),
  };
}

function json(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { "content-type": "application/json" });
  res.end(JSON.stringify(body));
}

async function bodyOf(req: IncomingMessage): Promise<{ patientIds: string[] }> {
  const pieces: Buffer[] = [];
  for await (const piece of req) pieces.push(piece as Buffer);
  return JSON.parse(Buffer.concat(pieces).toString()) as { patientIds: string[] };
}

function stopServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
