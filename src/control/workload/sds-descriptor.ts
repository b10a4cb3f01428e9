// Envoy's secret discovery service as Protocol Buffers, in the JSON form that @grpc/proto-loader reads: the fields that are sent or looked at
// here; others are skipped. Source: envoy-api, `service/secret/v3`, `service/discovery/v3`, `extensions/transport_sockets/tls/v3`.

interface Field {
  readonly type: string;
  readonly id: number;
  readonly rule?: 'repeated';
  readonly keyType?: 'string';
}

interface Method {
  readonly requestType: string;
  readonly responseType: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly comment: string;
}

const text = (id: number): Field => ({ type: 'string', id });
const texts = (id: number): Field => ({ rule: 'repeated', type: 'string', id });
const of = (type: string, id: number): Field => ({ type, id });
const many = (type: string, id: number): Field => ({ rule: 'repeated', type, id });

const ANY = 'google.protobuf.Any';
const DATA_SOURCE = 'envoy.config.core.v3.DataSource';
const DISCOVERY = 'envoy.service.discovery.v3.';
const TLS = 'envoy.extensions.transport_sockets.tls.v3.';

/** Type URLs of what is wrapped in an Any. */
export const SECRET = `type.googleapis.com/${TLS}Secret`;
export const SPIFFE_VALIDATOR = `type.googleapis.com/${TLS}SPIFFECertValidatorConfig`;

const call = (requestType: string, responseType: string, streams: boolean): Method => ({
  requestType: DISCOVERY + requestType,
  responseType: DISCOVERY + responseType,
  requestStream: streams,
  responseStream: streams,
  comment: '',
});

const discovery = {
  DiscoveryRequest: {
    fields: { version_info: text(1), resource_names: texts(3), type_url: text(4), response_nonce: text(5), error_detail: of('Status', 6) },
  },
  DiscoveryResponse: { fields: { version_info: text(1), resources: many(ANY, 2), type_url: text(4), nonce: text(5) } },
  DeltaDiscoveryRequest: {
    fields: {
      type_url: text(2),
      resource_names_subscribe: texts(3),
      resource_names_unsubscribe: texts(4),
      initial_resource_versions: { keyType: 'string', type: 'string', id: 5 },
      response_nonce: text(6),
      error_detail: of('Status', 7),
    },
  },
  DeltaDiscoveryResponse: {
    fields: {
      system_version_info: text(1),
      resources: many('Resource', 2),
      type_url: text(4),
      nonce: text(5),
      removed_resources: texts(6),
    },
  },
  Resource: { fields: { version: text(1), resource: of(ANY, 2), name: text(3) } },
  /** google.rpc.Status; only its fields matter on the wire. */
  Status: { fields: { code: { type: 'int32', id: 1 }, message: text(2) } },
};

const tls = {
  Secret: {
    oneofs: { type: { oneof: ['tls_certificate', 'validation_context'] } },
    fields: { name: text(1), tls_certificate: of('TlsCertificate', 2), validation_context: of('CertificateValidationContext', 4) },
  },
  TlsCertificate: { fields: { certificate_chain: of(DATA_SOURCE, 1), private_key: of(DATA_SOURCE, 2) } },
  CertificateValidationContext: {
    fields: { trusted_ca: of(DATA_SOURCE, 1), custom_validator_config: of('envoy.config.core.v3.TypedExtensionConfig', 12) },
  },
  SPIFFECertValidatorConfig: {
    fields: { trust_domains: many('TrustDomain', 1) },
    nested: { TrustDomain: { fields: { name: text(1), trust_bundle: of(DATA_SOURCE, 2) } } },
  },
};

const core = {
  DataSource: { oneofs: { specifier: { oneof: ['inline_bytes'] } }, fields: { inline_bytes: { type: 'bytes', id: 2 } } },
  TypedExtensionConfig: { fields: { name: text(1), typed_config: of(ANY, 2) } },
};

const service = {
  SecretDiscoveryService: {
    methods: {
      StreamSecrets: call('DiscoveryRequest', 'DiscoveryResponse', true),
      DeltaSecrets: call('DeltaDiscoveryRequest', 'DeltaDiscoveryResponse', true),
      FetchSecrets: call('DiscoveryRequest', 'DiscoveryResponse', false),
    },
  },
};

export const SDS = {
  nested: {
    envoy: {
      nested: {
        service: {
          nested: {
            secret: { nested: { v3: { nested: service } } },
            discovery: { nested: { v3: { nested: discovery } } },
          },
        },
        extensions: { nested: { transport_sockets: { nested: { tls: { nested: { v3: { nested: tls } } } } } } },
        config: { nested: { core: { nested: { v3: { nested: core } } } } },
      },
    },
    google: { nested: { protobuf: { nested: { Any: { fields: { type_url: text(1), value: { type: 'bytes', id: 2 } } } } } } },
  },
};
