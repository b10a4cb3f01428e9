// The way in by protocol.
import type { PlaneProtocol } from '../../domain/data-plane.ts';
import type { Pep } from '../pep.ts';
import { AUTH_REQUEST, FORWARD_AUTH, subrequestDoor } from './auth-request.ts';
import type { Door } from './door.ts';
import { extAuthzDoor } from './ext-authz.ts';
import type { Plane } from './plane.ts';
import { spoeDoor } from './spoe.ts';

const DOORS: Readonly<Record<PlaneProtocol, (pep: Pep, plane: Plane) => Door>> = {
  auth_request: (pep, plane) => subrequestDoor(pep, plane, AUTH_REQUEST),
  spoe: spoeDoor,
  ext_authz: extAuthzDoor,
  forward_auth: (pep, plane) => subrequestDoor(pep, plane, FORWARD_AUTH),
};

export const openDoor = (pep: Pep, plane: Plane): Door => DOORS[plane.protocol](pep, plane);
