import { AccountRole, PrescriptionStatus, RecordType, Sex } from "@medvault/contracts";
import { z } from "zod";

const column = z.string().min(1).max(200);

/** How a field is made of a row: the name of a column, or what is made of it. */
const Making = z
  .strictObject({
    column: column.optional(),
    constant: z.string().max(1_000).optional(),
    join: z.array(column).min(2).max(10).optional(),
    /** Between those that are joined and are not empty. */
    with: z.string().max(20).optional(),
    /** True: a Fernet token, and nothing else. False: never one. Left out: where it looks like one. */
    sealed: z.boolean().optional(),
    trim: z.boolean().optional(),
    /** What stands for an empty cell. */
    empty: z.string().max(1_000).optional(),
    /** Each value of the source, and ours for it. One that is not here is refused. */
    values: z.record(z.string().max(200), z.string().max(200)).optional(),
    /** Ours for every value that `values` does not name. */
    otherwise: z.string().max(200).optional(),
    /** How a date is written: `DD.MM.YYYY HH:mm`, `unix`, `iso`. */
    date: z
      .string()
      .regex(
        /^(iso|unix|unixms|(?=.*YYYY)[YMDHmsT .:/,-]{4,30})$/,
        "is iso, unix, unixms, or like DD.MM.YYYY HH:mm",
      )
      .optional(),
  })
  .refine((one) => [one.column, one.constant, one.join].filter((part) => part !== undefined).length === 1, {
    message: "needs one of column, constant and join",
  })
  .refine((one) => one.otherwise === undefined || one.values !== undefined, {
    path: ["otherwise"],
    message: "stands beside values",
  });
const Value = z.union(
  [column, Making],
  "must be the name of a column, or an object with column, constant or join",
);
export type Value = z.infer<typeof Value>;
export type Making = z.infer<typeof Making>;

const Key = z.array(Value).min(1).max(5);
const common = {
  /** What the row is known by in the source. */
  key: Key,
  /** Only rows whose column has one of these values. */
  when: z.strictObject({ column, is: z.array(z.string().max(200)).min(1).max(100) }).optional(),
};
const ofPatient = {
  ...common,
  /** The key of its patient. */
  patient: Key,
};
const Patient = z.strictObject({
  to: z.literal("patient"),
  ...common,
  /** Several rows may be about one patient: the first says who they are. */
  repeats: z.boolean().optional(),
  /** Who of the source treats them: keys of users, or of `people`. */
  careTeam: z.array(Value).max(5).optional(),
  fields: z
    .strictObject({
      name: Value.optional(),
      givenName: Value.optional(),
      familyName: Value.optional(),
      birthDate: Value.optional(),
      sex: Value.optional(),
      nationalId: Value.optional(),
      phone: Value.optional(),
      email: Value.optional(),
      address: Value.optional(),
    })
    .refine(({ name, givenName, familyName }) => name ?? givenName ?? familyName, {
      message: "needs name, givenName or familyName",
    }),
});
const Record = z.strictObject({
  to: z.literal("record"),
  ...ofPatient,
  fields: z.strictObject({
    type: Value,
    title: Value,
    body: Value.optional(),
    occurredAt: Value.optional(),
    code: Value.optional(),
    codeSystem: Value.optional(),
  }),
});
const Prescription = z.strictObject({
  to: z.literal("prescription"),
  ...ofPatient,
  fields: z.strictObject({
    medication: Value,
    dosage: Value.optional(),
    frequency: Value.optional(),
    notes: Value.optional(),
    startDate: Value.optional(),
    endDate: Value.optional(),
    refills: Value.optional(),
    status: Value.optional(),
    writtenAt: Value.optional(),
    prescriber: Value.optional(),
  }),
});
const Claim = z.strictObject({
  to: z.literal("claim"),
  ...ofPatient,
  fields: z.strictObject({
    amount: Value,
    currency: Value,
    status: Value.optional(),
    diagnosisCode: Value.optional(),
    diagnosis: Value.optional(),
    treatment: Value.optional(),
    createdAt: Value.optional(),
  }),
});
const Appointment = z.strictObject({
  to: z.literal("appointment"),
  ...ofPatient,
  fields: z
    .strictObject({
      doctor: Value,
      startsAt: Value,
      endsAt: Value.optional(),
      minutes: Value.optional(),
      reason: Value.optional(),
    })
    .refine(({ endsAt, minutes }) => (endsAt === undefined) !== (minutes === undefined), {
      message: "needs endsAt or minutes",
    }),
});
const File = z
  .strictObject({
    to: z.literal("file"),
    ...common,
    patient: Key.optional(),
    /** The key of the prescription that it hangs on. */
    prescription: Key.optional(),
    fields: z.strictObject({ path: Value, name: Value.optional(), extension: Value.optional() }),
  })
  .refine(({ patient, prescription }) => (patient === undefined) !== (prescription === undefined), {
    message: "needs patient or prescription",
  });
const User = z.strictObject({
  to: z.literal("user"),
  ...common,
  fields: z.strictObject({ username: Value, email: Value, role: Value, name: Value.optional() }),
});

const Mapping = z.discriminatedUnion("to", [Patient, Record, Prescription, Claim, Appointment, File, User]);
export type Mapping = z.infer<typeof Mapping>;
export type Kind = Mapping["to"];
export type MappingTo<K extends Kind> = Extract<Mapping, { to: K }>;

const isTimeZone = (zone: string): boolean => {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: zone }));
  } catch {
    return false;
  }
};

/** map.json. What it does not say is as the format has it. */
export const MigrationMap = z.strictObject({
  /** A name of this source, part of what each of its rows is known by: it must stay the same. */
  source: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,60}$/, "must be 1 to 61 of a-z, 0-9, dot, hyphen and underscore")
    .optional(),
  encoding: z.enum(["utf8", "latin1"]).optional(),
  delimiter: z.string().length(1).optional(),
  /** Of dates with a time and without a zone. */
  timeZone: z.string().refine(isTimeZone, "is no time zone: Europe/Berlin, say").optional(),
  /** Users of the source, and who they are here: user name or id. */
  people: z.record(z.string().max(200), z.string().min(1).max(100)).optional(),
  inviteUsers: z.boolean().optional(),
  tables: z.record(z.string().min(1).max(200), z.array(Mapping).max(10)).optional(),
});
export type MigrationMap = z.infer<typeof MigrationMap>;

/** A map that is whole: what the format says, and over it what map.json says. */
export interface WholeMap {
  readonly source: string;
  readonly encoding: "utf8" | "latin1";
  readonly delimiter: string;
  readonly timeZone: string | null;
  readonly people: Readonly<Record<string, string>>;
  readonly inviteUsers: boolean;
  readonly tables: Readonly<Record<string, readonly Mapping[]>>;
}

export function wholeMap(format: MigrationMap, own: MigrationMap): WholeMap {
  const all = { ...format, ...own };
  return {
    source: all.source ?? "csv",
    encoding: all.encoding ?? "utf8",
    delimiter: all.delimiter ?? ",",
    timeZone: all.timeZone ?? null,
    people: all.people ?? {},
    inviteUsers: all.inviteUsers ?? false,
    tables: { ...format.tables, ...own.tables },
  };
}

/** The values that a field takes, where these are few. */
export const CLOSED: Readonly<Record<string, readonly string[]>> = {
  "patient.sex": Sex.options,
  "record.type": RecordType.options,
  "prescription.status": PrescriptionStatus.options,
  "claim.status": ["draft", "submitted"],
  "user.role": AccountRole.options,
};
