import type { TestClient } from "@medvault/testing";
import { givenPatient, givenPrescription, type Known, type Records } from "../../test/harness.ts";

/** A chart with a row of every kind: where each is read, and every id that is the chart's. */
export async function givenWholeChart(
  service: Records,
  doctor: TestClient,
): Promise<{ patientId: string; account: string; ids: string[]; paths: string[] }> {
  const account = service.someone("patient").actor.id;
  const patientId = await givenPatient(doctor, { userId: account });
  const made = async (path: string, body: object): Promise<string> => {
    const answer = await doctor.post<Known>(path, body);
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body.id;
  };
  const drug = await givenPrescription(doctor, patientId);
  const note = { type: "note", title: "Seen", body: "Breathing", occurredAt: "2026-01-01T00:00:00Z" };
  const record = await made(`/v1/patients/${patientId}/records`, note);
  await doctor.put(`/v1/records/${record}`, { ...note, body: "Breathing well" });
  const hidden = await made(`/v1/patients/${patientId}/records`, note);
  await doctor.delete(`/v1/records/${hidden}`);
  await doctor.patch(`/v1/patients/${patientId}`, { phone: "555-000-1111" });
  const claim = await made("/v1/claims", {
    ...{ patientId, providerId: doctor.actor.id, diagnosisCode: "I10", diagnosis: "Hypertension" },
    ...{ treatment: "Tablets", amount: 12_000, currency: "EUR" },
  });
  const startsAt = new Date(Date.now() + 86_400_000 + slots++ * 3_600_000);
  const endsAt = new Date(startsAt.getTime() + 1_800_000);
  const visit = await made("/v1/appointments", { patientId, doctorId: doctor.actor.id, startsAt, endsAt });
  const emergency = { purpose: "ETREAT", reason: "Nobody else is there" };
  const stranger = service.someone("doctor");
  const glass = await stranger.post<Known>(`/v1/patients/${patientId}/break-glass`, emergency);
  const former = service.someone("doctor").actor.id;
  await doctor.put(`/v1/patients/${patientId}/care-team/${former}`);
  await doctor.delete(`/v1/patients/${patientId}/care-team/${former}`);
  const kept = {
    resourceType: "Flag",
    status: "active",
    code: { text: "Falls" },
    subject: { reference: `Patient/${patientId}` },
  };
  const entry = [{ fullUrl: `urn:uuid:${crypto.randomUUID()}`, resource: kept }];
  const loaded = await doctor.post("/v1/fhir", { resourceType: "Bundle", type: "collection", entry });
  if (loaded.status >= 300) throw new Error(`bundle: ${JSON.stringify(loaded.body)}`);
  const { rows } = await service.pool.query<{ id: string }>(
    `select id from row_versions where patient_id = $1 union all select id from medical_record_versions where patient_id = $1
     union all select id from fhir_resources where subject_id = $1`,
    [patientId],
  );
  const ids = [
    patientId,
    account,
    drug,
    record,
    hidden,
    claim,
    visit,
    glass.body.id,
    ...rows.map(({ id }) => id),
  ];
  return {
    patientId,
    account,
    ids,
    paths: [
      `/v1/patients/${patientId}`,
      `/v1/patients/${patientId}/records`,
      `/v1/records/${record}`,
      `/v1/prescriptions/${drug}`,
      `/v1/prescriptions?patientId=${patientId}`,
      `/v1/claims/${claim}`,
      `/v1/appointments/${visit}`,
      `/v1/fhir/Patient/${patientId}/$everything`,
      `/internal/patients/${patientId}/access?action=read`,
    ],
  };
}

let slots = 0;
