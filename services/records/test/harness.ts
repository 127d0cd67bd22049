import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { type AccountRole, ASSERTION_HEADER, type FeedOwner, newId } from "@medvault/contracts";
import { UNTIMELY_HEADER } from "@medvault/service-kit";
import {
  startTestService,
  type TestAnswer,
  type TestClient,
  type TestServiceOptions,
} from "@medvault/testing";
import { service } from "../src/service.ts";

/**
 * The records service over a database of its own, without a broker: events stay in the outbox. Its
 * auth is a stand-in that knows any id as a doctor's, but for those in `standing`: null is no
 * active account, a number a refusal of that status, `untimely` that of a clock that is off. It
 * calls people as `names` says; `namesAsked` holds the questions; `feeds` says whose calendar a
 * token opens. The real one is in e2e.
 */
export async function startRecords(options: TestServiceOptions = {}) {
  const standing = new Map<string, AccountRole | "untimely" | number | null>();
  const asked: { path: string; assertion: string }[] = [];
  const names = new Map<string, string>();
  const namesAsked: string[][] = [];
  const feeds = new Map<string, FeedOwner>();
  const auth = createServer(async (req, res) => {
    if (req.url === "/internal/people") {
      const { ids } = (await json(req)) as { ids: string[] };
      namesAsked.push(ids);
      const items = ids.flatMap((id) => (names.has(id) ? [{ id, name: names.get(id) }] : []));
      res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ items }));
      return;
    }
    if (req.url === "/internal/calendar-feeds") {
      const owner = feeds.get(((await json(req)) as { token: string }).token);
      res.writeHead(owner ? 200 : 404, { "content-type": "application/json" });
      res.end(JSON.stringify(owner ?? { code: "not_found" }));
      return;
    }
    if (req.url?.startsWith("/internal/roles?")) {
      res.writeHead(200, { "content-type": "application/json" }).end('{"roles":["admin"]}');
      return;
    }
    asked.push({ path: req.url ?? "", assertion: String(req.headers[ASSERTION_HEADER]) });
    const id = req.url?.split("/").at(-1) ?? "";
    const found = standing.has(id) ? standing.get(id) : "doctor";
    const isUntimely = found === "untimely";
    const status = isUntimely ? 401 : typeof found === "number" ? found : found === null ? 404 : 200;
    if (isUntimely) res.setHeader(UNTIMELY_HEADER, "1");
    res.writeHead(status, { "content-type": "application/json" });
    res.end(JSON.stringify(status === 200 ? { id, role: found } : { code: "of_a_test" }));
  });
  await once(auth.listen(0, "127.0.0.1"), "listening");
  const { port } = auth.address() as AddressInfo;
  const urls = {
    MEDVAULT_AUTH_URL: `http://127.0.0.1:${port}`,
    MEDVAULT_AUDIT_URL: "http://127.0.0.1:1",
  };
  const env = { ...urls, ...options.env };
  const started = await startTestService(service, { ...options, env });
  return {
    ...started,
    auth: { standing, asked, names, namesAsked, feeds },
    async close() {
      await started.close();
      auth.closeAllConnections();
      auth.close();
    },
  };
}
export type Records = Awaited<ReturnType<typeof startRecords>>;

export const ADA = {
  givenName: "Ada",
  familyName: "Marsh-O'Neil",
  birthDate: "1971-02-03",
  sex: "female",
  nationalId: "S1234567D",
  phone: "555-014-7731",
  email: "ada.marsh@mail.example",
  address: "14 Lantern Row, Harrow Falls",
} as const;

export const ASPIRIN = {
  medication: "Acetylsalicylic acid 100 MG Oral Tablet",
  dosage: "One tablet",
  startDate: "2026-01-15",
  status: "active",
} as const;

export interface Known {
  id: string;
}

/** A patient of this doctor's. */
export async function givenPatient(doctor: TestClient, fields: object = {}): Promise<string> {
  const made = await doctor.post<Known>("/v1/patients", { ...ADA, ...fields });
  if (made.status !== 201) throw new Error(`no patient: ${made.status} ${JSON.stringify(made.body)}`);
  return made.body.id;
}

export async function givenPrescription(
  doctor: TestClient,
  patientId: string,
  fields: object = {},
): Promise<string> {
  const made = await doctor.post<Known>("/v1/prescriptions", { patientId, ...ASPIRIN, ...fields });
  if (made.status !== 201) throw new Error(`no prescription: ${made.status} ${JSON.stringify(made.body)}`);
  return made.body.id;
}

/** The answer without what names the request itself: all that a caller learns from it. */
export function visiblePart(answer: TestAnswer): object {
  const { requestId: _requestId, instance: _instance, ...body } = answer.body as Record<string, unknown>;
  return { status: answer.status, body, etag: answer.headers.get("etag") };
}

export const nobody = (): string => newId();
