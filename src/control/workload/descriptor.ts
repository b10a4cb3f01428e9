// The services of the socket as Protocol Buffers, in the JSON form that @grpc/proto-loader reads: nothing has to be copied into the build.
// Standard: SPIFFE Workload API §5–6; the service stands in no package.

const text = (id: number): Field => ({ type: 'string', id });
const bytes = (id: number): Field => ({ type: 'bytes', id });
const many = (type: string, id: number): Field => ({ rule: 'repeated', type, id });
const map = (type: string, id: number): Field => ({ keyType: 'string', type, id });

interface Field {
  readonly type: string;
  readonly id: number;
  readonly rule?: 'repeated';
  readonly keyType?: 'string';
}

interface Method {
  readonly requestType: string;
  readonly responseType: string;
  readonly requestStream?: boolean;
  readonly responseStream?: boolean;
  readonly comment: string;
}

const stream = (requestType: string, responseType: string): Method => ({
  requestType,
  responseType,
  responseStream: true,
  comment: '',
});
const unary = (requestType: string, responseType: string): Method => ({ requestType, responseType, comment: '' });

const none = { fields: {} };

/** google.protobuf.Struct: JSON as a message. */
const GOOGLE = {
  nested: {
    protobuf: {
      nested: {
        Struct: { fields: { fields: map('Value', 1) } },
        Value: {
          oneofs: { kind: { oneof: ['null_value', 'number_value', 'string_value', 'bool_value', 'struct_value', 'list_value'] } },
          fields: {
            null_value: { type: 'NullValue', id: 1 },
            number_value: { type: 'double', id: 2 },
            string_value: text(3),
            bool_value: { type: 'bool', id: 4 },
            struct_value: { type: 'Struct', id: 5 },
            list_value: { type: 'ListValue', id: 6 },
          },
        },
        NullValue: { values: { NULL_VALUE: 0 } },
        ListValue: { fields: { values: many('Value', 1) } },
      },
    },
  },
};

export const WORKLOAD_API = {
  nested: {
    SpiffeWorkloadAPI: {
      methods: {
        FetchX509SVID: stream('X509SVIDRequest', 'X509SVIDResponse'),
        FetchX509Bundles: stream('X509BundlesRequest', 'X509BundlesResponse'),
        FetchJWTSVID: unary('JWTSVIDRequest', 'JWTSVIDResponse'),
        FetchJWTBundles: stream('JWTBundlesRequest', 'JWTBundlesResponse'),
        ValidateJWTSVID: unary('ValidateJWTSVIDRequest', 'ValidateJWTSVIDResponse'),
        FetchWITSVID: stream('WITSVIDRequest', 'WITSVIDResponse'),
        FetchWITBundles: stream('WITBundlesRequest', 'WITBundlesResponse'),
      },
    },
    X509SVIDRequest: none,
    X509SVIDResponse: { fields: { svids: many('X509SVID', 1), crl: many('bytes', 2), federated_bundles: map('bytes', 3) } },
    X509SVID: { fields: { spiffe_id: text(1), x509_svid: bytes(2), x509_svid_key: bytes(3), bundle: bytes(4), hint: text(5) } },
    X509BundlesRequest: none,
    X509BundlesResponse: { fields: { crl: many('bytes', 1), bundles: map('bytes', 2) } },
    JWTSVIDRequest: { fields: { audience: many('string', 1), spiffe_id: text(2) } },
    JWTSVIDResponse: { fields: { svids: many('JWTSVID', 1) } },
    JWTSVID: { fields: { spiffe_id: text(1), svid: text(2), hint: text(3) } },
    JWTBundlesRequest: none,
    JWTBundlesResponse: { fields: { bundles: map('bytes', 1) } },
    ValidateJWTSVIDRequest: { fields: { audience: text(1), svid: text(2) } },
    ValidateJWTSVIDResponse: { fields: { spiffe_id: text(1), claims: { type: 'google.protobuf.Struct', id: 2 } } },
    WITSVIDRequest: { fields: { spiffe_id: text(1) } },
    WITSVIDResponse: { fields: { svids: many('WITSVID', 1) } },
    WITSVID: { fields: { spiffe_id: text(1), wit_svid: text(2), wit_svid_key: text(3), hint: text(4) } },
    WITBundlesRequest: none,
    WITBundlesResponse: { fields: { bundles: map('string', 1) } },
    google: GOOGLE,
  },
};
