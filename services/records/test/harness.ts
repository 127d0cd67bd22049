import { newId } from "@medvault/contracts";
import {
  startTestService,
  type TestAnswer,
  type TestClient,
  type TestServiceOptions,
} from "@medvault/testing";
import { service } from "../src/service.ts";

/** The records service over a database of its own, without a broker: events stay in the outbox. */
export const startRecords = (options?: TestServiceOptions) => startTestService(service, options);
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
