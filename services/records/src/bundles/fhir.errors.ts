import { refusal } from "@medvault/contracts";

/**
 * 409: several of the caller's patients fit the bundle's identifiers equally well; nobody guesses
 * between people.
 */
export class PatientAmbiguous extends refusal(
  "patient_ambiguous",
  "Several of your patients have the identifiers of this bundle.",
) {}

/**
 * The patient that a bundle was sealed for is not the one to store it under any more: match and
 * seal again.
 */
export class TargetChanged extends Error {}
