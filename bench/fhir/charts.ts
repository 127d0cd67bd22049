import { signIn } from "../../e2e/support/client.ts";
import { type Ops, startSystem } from "../../e2e/support/system.ts";
import type { FhirResource } from "../../services/records/src/fhir/resource.ts";
import type { Bundle } from "../../services/records/test/examples.ts";

export type Chart = { fullUrl?: string; resource: FhirResource }[];
interface Loaded {
  status: number;
  patientIds: string[];
  reason: string;
}
interface Page {
  entry?: Chart;
  link: { relation: string; url: string }[];
}

const RATE_A_MINUTE = 1_000_000;

/** A whole MedVault and a doctor in it, who works through the gateway. */
export interface Fhir {
  readonly ops: Ops;
  load(bundle: Bundle): Promise<Loaded>;
  /** All of a chart, page by page. */
  everything(patientId: string, isOpen: boolean): Promise<Chart>;
  /** The bytes of one page of 20,000, unread. */
  exported(patientId: string): Promise<number>;
}

/** Starts MedVault as its user does, with data and servers of its own, runs `work`, and ends it. */
export async function withFhir<T>(work: (fhir: Fhir) => Promise<T>): Promise<T> {
  const system = await startSystem("bench-fhir", {
    env: { MEDVAULT_RATE_LIMIT: String(RATE_A_MINUTE) },
  });
  try {
    return await work(await fhirOf(system.ops));
  } finally {
    await system.stop();
  }
}

/** The demo's doctor in a MedVault that runs. */
export async function fhirOf(ops: Ops): Promise<Fhir> {
  const doctor = ops.demo.users.find(({ role }) => role === "doctor");
  if (!doctor) throw new Error("the demo has no doctor");
  const { token } = await signIn(ops.gateway, doctor);
  const headers = {
    authorization: `Bearer ${token}`,
    "content-type": "application/json",
    "x-purpose": "TREAT",
  };
  const get = (url: string) => fetch(new URL(url, ops.gateway), { headers });
  const pathOf = (id: string) => `/v1/fhir/Patient/${id}/$everything`;
  return {
    ops,
    async load(bundle) {
      const init = { method: "POST", headers, body: JSON.stringify(bundle) };
      const answer = await fetch(new URL("/v1/fhir", ops.gateway), init);
      const body = (await answer.json()) as { patients?: { patientId: string }[]; errors?: object[] };
      const patientIds = (body.patients ?? []).map(({ patientId }) => patientId);
      return { status: answer.status, patientIds, reason: JSON.stringify(body.errors ?? []).slice(0, 200) };
    },
    async everything(patientId, isOpen) {
      const chart: Chart = [];
      let next: string | undefined =
        `${pathOf(patientId)}${isOpen ? "?unmask=nationalId,phone,email,address" : ""}`;
      while (next !== undefined) {
        const answer: Response = await get(next);
        if (answer.status !== 200) throw new Error(`$everything was answered ${answer.status}`);
        const page = (await answer.json()) as Page;
        chart.push(...(page.entry ?? []));
        next = page.link.find(({ relation }) => relation === "next")?.url;
      }
      return chart;
    },
    async exported(patientId) {
      const answer = await get(pathOf(patientId));
      if (answer.status !== 200) throw new Error(`$everything was answered ${answer.status}`);
      let bytes = 0;
      for await (const chunk of answer.body ?? []) bytes += chunk.length;
      return bytes;
    },
  };
}
