import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { newId } from "@medvault/contracts";

/** Stands in for records and audit where auth asks whom a patient may know of. Real ones: e2e. */
export async function startChart() {
  const known = { chart: [] as string[], acted: [] as string[], away: null as "records" | "audit" | null };
  const server = createServer((req, res) => {
    const isRecords = req.url === "/internal/known-people";
    const isAway = known.away === (isRecords ? "records" : "audit");
    const body = isRecords ? { patientIds: [newId()], ids: known.chart } : { ids: known.acted };
    res.writeHead(isAway ? 503 : 200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    env: { MEDVAULT_RECORDS_URL: url, MEDVAULT_AUDIT_URL: url },
    names(chart: string[], acted: string[], away: typeof known.away = null) {
      Object.assign(known, { chart, acted, away });
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
