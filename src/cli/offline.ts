// What can be checked of a Cordon that does not run: its configuration, its data directory, its log.
import type { Check } from '../control/control.ts';
import { readPolicies } from '../control/policies.ts';
import { readConfig } from '../server/config.ts';
import { dataDirCheck } from '../server/doctor.ts';
import { asFailure } from './errors.ts';
import { findLogs, verifyFound } from './verified.ts';
import { several } from './units.ts';

export async function offlineChecks(config: string, data: string): Promise<readonly Check[]> {
  return [...(await configChecks(config)), await dataDirCheck(data), ...(await logChecks(data))];
}

async function configChecks(path: string): Promise<readonly Check[]> {
  const category = 'policy';
  try {
    const config = await readConfig(path);
    const read: Check = {
      category,
      name: 'configuration',
      ok: true,
      detail: `${path}: ${several(config.agents.length, 'agent')}, ${several(config.resources.length, 'resource')}`,
    };
    return [read, await policyFiles(config.policies)];
  } catch (error) {
    const { message, detail } = asFailure(error);
    return [{ category, name: 'configuration', ok: false, detail: message, fix: detail.fix?.[0] ?? 'mend it' }];
  }
}

/** Only that there is something to load: whether it is admitted depends on the tools, which nobody can ask now. */
async function policyFiles(directory: string): Promise<Check> {
  const files = await readPolicies(directory).catch(() => []);
  const shared = { category: 'policy', name: 'policy files' } as const;
  if (files.length > 0) return { ...shared, ok: true, detail: `${several(files.length, 'file')} in ${directory}, not validated` };
  return {
    ...shared,
    ok: false,
    detail: `none in ${directory}: every call would be denied`,
    fix: `write a policy there, or look at the one of \`cordon init\``,
  };
}

async function logChecks(data: string): Promise<readonly Check[]> {
  const logs = await findLogs(undefined, data, {}).catch(() => []);
  const checks: Check[] = [];
  for (const log of logs) {
    const { result, size, findings } = (await verifyFound(log)).verification;
    const shared = { category: 'log', name: 'log verifies' } as const;
    if (result === 'VERIFIED') checks.push({ ...shared, ok: true, detail: `${log.dir}: ${several(size ?? 0, 'entry', 'entries')}` });
    else
      checks.push({
        ...shared,
        ok: false,
        detail: `${log.dir}: ${result}, ${findings[0]?.message ?? ''}`,
        fix: `keep it as evidence, and look: \`cordon audit verify ${log.dir}\``,
      });
  }
  return checks;
}
