import { NewAppointment, NewUser } from "@medvault/contracts";
import type { z } from "zod";
import { Fields, type Fields as FieldsType, type Reading } from "./making.ts";
import type { Mapping, MappingTo, Value, WholeMap } from "./map.ts";
import { type FhirKind, type FhirResource, identityOf, isFhir, resourceOf } from "./resource.ts";
import { Refused, type SourceRow } from "./row.ts";

interface Of<K> {
  readonly kind: K;
  readonly row: SourceRow;
  readonly identity: string;
}
/** `patient` is the identity of a patient. */
export type FhirItem = Of<FhirKind> & {
  resource: FhirResource;
  patient: string;
  careTeam: readonly string[];
};
export type AppointmentItem = Of<"appointment"> & {
  patient: string;
  doctor: string;
  startsAt: string;
  endsAt: string;
  reason: string | null;
};
/** `parent` is the identity of a patient or of a prescription. */
export type FileItem = Of<"file"> & { parent: string; onPrescription: boolean; path: string; name: string };
export type UserItem = Of<"user"> & { username: string; email: string; role: string; name: string | null };
/** What a row is to become here. */
export type Item = FhirItem | AppointmentItem | FileItem | UserItem;

/** In the place of ids that are known once it is stored. */
const NIL = "01900000-0000-7000-8000-000000000000";
const MAX_MINUTES = 24 * 60;
const SAFE_NAME = /[^\p{L}\p{N}._-]+/gu;

/** What a mapping makes of a row; null: it is not about such rows. Throws Refused. */
export function itemOf(row: SourceRow, mapping: Mapping, map: WholeMap, reading: Reading): Item | null {
  if (row.fault) throw row.fault;
  const fields = new Fields(row, reading, mapping.to, mapping.fields);
  if (mapping.when) {
    const found = fields.value(mapping.when.column);
    if (typeof found !== "string" || !mapping.when.is.includes(found)) return null;
  }
  const identify = (kind: Mapping["to"], key: readonly Value[]) =>
    identityOf(map.source, kind, fields.key(key));
  const own = { row, identity: identify(mapping.to, mapping.key) };
  if (isFhir(mapping)) {
    const patient = mapping.to === "patient" ? own.identity : identify("patient", mapping.patient);
    const resource = resourceOf(fields, mapping.to, own.identity, patient);
    const team = mapping.to === "patient" ? (mapping.careTeam ?? []) : [];
    return {
      ...own,
      kind: mapping.to,
      resource,
      patient,
      careTeam: team.flatMap((one) => told(fields, one)),
    };
  }
  switch (mapping.to) {
    case "appointment":
      return {
        ...own,
        kind: "appointment",
        ...appointmentOf(fields, mapping),
        patient: identify("patient", mapping.patient),
      };
    case "file": {
      const parent = mapping.prescription ?? mapping.patient ?? [];
      const onPrescription = mapping.prescription !== undefined;
      const of = identify(onPrescription ? "prescription" : "patient", parent);
      return { ...own, kind: "file", ...fileOf(fields, row), parent: of, onPrescription };
    }
    case "user": {
      // Whom the map names has an account here.
      if (fields.key(mapping.key).some((key) => Object.hasOwn(map.people, key))) return null;
      const [username, email] = [fields.required("username", 100), fields.required("email", 254)];
      const role = fields.required("role", 100);
      const name = fields.text("name", 200);
      requireTaken(NewUser, { username, email, role, ...(name && { name }) });
      return {
        ...own,
        kind: "user",
        username,
        email,
        role: fields.required("role", 100),
        name: fields.text("name", 200),
      };
    }
  }
}

function told(fields: FieldsType, value: Value): string[] {
  const made = fields.value(value);
  return typeof made === "string" && made !== "" ? [made] : [];
}

function appointmentOf(fields: FieldsType, mapping: MappingTo<"appointment">) {
  const startsAt = instantOf(fields, "startsAt");
  const minutes = mapping.fields.minutes === undefined ? null : Number(fields.required("minutes", 10));
  if (minutes !== null && !(minutes > 0 && minutes <= MAX_MINUTES))
    throw new Refused("bad_number", "the minutes are no number from 1 to 1440");
  const end =
    minutes === null
      ? instantOf(fields, "endsAt")
      : new Date(Date.parse(startsAt) + minutes * 60_000).toISOString();
  const [doctor, reason] = [fields.required("doctor", 200), fields.text("reason", 2_000)];
  const times = { startsAt, endsAt: end };
  requireTaken(NewAppointment, { patientId: NIL, doctorId: NIL, ...times, ...(reason && { reason }) });
  return { doctor, ...times, reason };
}

/** Of what would be refused there anyway, a dry run says so. Throws Refused. */
function requireTaken(schema: z.ZodType, input: object): void {
  const [issue] = schema.safeParse(input).error?.issues ?? [];
  if (issue) throw new Refused("invalid_input", `${issue.path.join(".")}: ${issue.message}`);
}

function instantOf(fields: FieldsType, name: string): string {
  const instant = fields.moment(name)?.instant;
  if (!instant) throw new Refused("bad_date", `${name} is no date with a time`);
  return instant;
}

/** Its path is one name within the folder of files: no way leads out of it. */
function fileOf(fields: FieldsType, row: SourceRow) {
  const path = fields.required("path", 255);
  if (/[/\\\0]/.test(path) || path === "." || path === "..")
    throw new Refused("bad_path", "names its file by a path: only the name of a file in --files is taken");
  const extension = fields.text("extension", 10)?.replace(/^\./, "").toLowerCase();
  const base = (fields.text("name", 200) ?? path.replace(/\.enc$/, "")).replaceAll(SAFE_NAME, "_");
  const name = extension && !base.toLowerCase().endsWith(`.${extension}`) ? `${base}.${extension}` : base;
  return { path, name, row };
}
