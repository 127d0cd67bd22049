import type { AuditEventView, AuditExportFormat, AuditFilter } from "@medvault/contracts";
import type { Body } from "../log/entry.ts";
import { cefEnd, cefLine } from "./cef.ts";
import { csvEnd, csvHeader, csvLine } from "./csv.ts";
import { auditEvent, auditEventOfEnd } from "./fhir-audit-event.ts";
import { ocsfEnd, ocsfEvent } from "./ocsf.ts";

/** An entry of an export. `body` null: it is damaged, and `leaf` is all that is known of it. */
export interface ExportedEntry {
  readonly view: AuditEventView;
  readonly leaf: Buffer;
  readonly body: Body | null;
}

/** Where an export ended, and under which checkpoint. */
export interface ExportEnd {
  /** The export is of entries `first` up to, but not including, `end`. */
  readonly first: number;
  readonly end: number;
  readonly count: number;
  /** When it ended. */
  readonly time: Date;
  /** The filters that were asked for. */
  readonly filter: AuditFilter;
  /** A signed note that covers all of it; null: there is none yet. */
  readonly checkpoint: string | null;
  /** What of the export's own address proves it, in ndjson. */
  readonly proof: string;
}

/** A form in which entries are exported. */
export interface ExportFormat {
  readonly contentType: string;
  readonly extension: string;
  /** Whether it ends with its end unless it is asked otherwise. */
  readonly endsItself: boolean;
  head?(): string;
  line(entry: ExportedEntry): string;
  end(end: ExportEnd): string;
}

const json = (value: object): string => `${JSON.stringify(value)}\n`;

/** All but ndjson, which is the one with the whole proof (ndjson.ts). */
export const FORMATS: Readonly<Record<Exclude<AuditExportFormat, "ndjson">, ExportFormat>> = {
  csv: {
    contentType: "text/csv; charset=utf-8",
    extension: "csv",
    endsItself: false, // a spreadsheet would count it as one more row
    head: () => csvHeader(),
    line: ({ view }) => csvLine(view),
    end: csvEnd,
  },
  fhir: {
    contentType: "application/fhir+ndjson",
    extension: "fhir.ndjson",
    endsItself: true,
    line: ({ view }) => json(auditEvent(view)),
    end: (end) => json(auditEventOfEnd(end)),
  },
  ocsf: {
    contentType: "application/x-ndjson",
    extension: "ocsf.ndjson",
    endsItself: true,
    line: ({ view }) => json(ocsfEvent(view)),
    end: (end) => json(ocsfEnd(end)),
  },
  cef: {
    contentType: "text/plain; charset=utf-8",
    extension: "cef",
    endsItself: true,
    line: ({ view }) => cefLine(view),
    end: cefEnd,
  },
};
