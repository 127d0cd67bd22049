import { Forbidden, refusal } from "@medvault/contracts";

/** 409: for as long as it lasts nobody erases the patient. */
export class OnLegalHold extends refusal(
  "legal_hold",
  "A legal hold stops this. GET /v1/patients/{id}/legal-hold says why to those who may see it; lift it first.",
) {}

/** 409: there is none that waits, or its time is up. */
export class NoErasureRequested extends refusal(
  "invalid_transition",
  "No erasure of this patient waits for approval. Ask for one first.",
) {}

/** 403: the second person is another one. */
export class OwnErasureRequest extends Forbidden {
  constructor() {
    super("You asked for this erasure yourself: someone else must approve it.");
  }
}

/** 409: a receipt says that all is done, and it is not yet. */
export class ErasureUnderWay extends refusal(
  "invalid_transition",
  "The erasure is under way: not every service has confirmed yet. Ask for the receipt once its state is complete.",
) {}
