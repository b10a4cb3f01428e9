import type { Check } from '../control/control.ts';
export const examine = (_parts: unknown, _views: unknown): Promise<readonly Check[]> => Promise.resolve([]);
