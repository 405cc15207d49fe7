/** Why a task is where it is, in words. */
import { t } from "../strings";

export const reasonText = (reason: string): string => (t.reasons as Record<string, string>)[reason] ?? reason;
