import { type Contender, PATIENTS } from "./contenders.ts";

/** What both services are asked to do, and what must be reached. */
export interface Work {
  readonly name: string;
  readonly connections: number;
  readonly request: (of: Contender) => Buffer;
  /** Patients of the doctor who asks, where it matters. */
  readonly panel?: number;
  /** Requests a second beside those of the bare service. */
  readonly share?: number;
  /** Requests a second. */
  readonly perSecond?: number;
  /** Processor time of all services and servers for one. */
  readonly cpuMs?: number;
  readonly p50Ms?: number;
  /** At 80 % of the requests a second that it reaches. */
  readonly calmP99Ms?: number;
}

export const PANEL = 2_000;
const read = (of: Contender) => of.read();
const create = (of: Contender) => of.create();
const list = (of: Contender) => of.list();

/** By the size of the panel, which only grows. */
export const WORKS: readonly Work[] = [
  { name: "list of 20, 10 patients", connections: 1, request: list, panel: 10, p50Ms: 5 },
  { name: "list of 20, 2,000 patients", connections: 1, request: list, panel: PANEL, p50Ms: 5 },
  { name: "read", connections: 1, request: read, cpuMs: 3 },
  { name: "read", connections: 16, request: read, share: 0.25, cpuMs: 1.6 },
  { name: "create", connections: 1, request: create, cpuMs: 5 },
  { name: "create", connections: 16, request: create, share: 0.35, cpuMs: 2.5 },
  { name: "search", connections: 1, request: (of) => of.search(), p50Ms: 10 },
  { name: "upload of 5 MiB", connections: 2, request: (of) => of.upload(), share: 0.6 },
  { name: "download of 5 MiB", connections: 2, request: (of) => of.download(), share: 0.6 },
  { name: "mixed", connections: 32, request: mixed(), perSecond: 800, calmP99Ms: 100 },
  { name: "list of 20, 10,000 patients", connections: 1, request: list, panel: PATIENTS, p50Ms: 5 },
];

/** Of a hundred requests 75 read, 10 list, 10 create, 5 search. */
export function mixed(): (of: Contender) => Buffer {
  let at = 0;
  return (of) => {
    const place = (at++ * 37) % 100;
    if (place < 75) return of.read();
    if (place < 85) return of.list();
    return place < 95 ? of.create() : of.search();
  };
}
