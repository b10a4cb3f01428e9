// What policies call the things that are asked for: Cedar's type for each kind of resource in a request, and for each kind in the registry.
import type { ResourceType } from '../domain/access.ts';
import type { ResourceKind } from '../domain/registry.ts';

export const TARGET_TYPES = {
  tool: 'Tool',
  mcp_server: 'Server',
  agent: 'Agent',
  route: 'Route',
  egress: 'Egress',
} as const satisfies Record<ResourceType, string>;

export const KIND_TYPES = { mcp: 'Server', http: 'Api', egress: 'Egress' } as const satisfies Record<ResourceKind, string>;
