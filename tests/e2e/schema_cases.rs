//! The cases of `schema.rs` beyond the form of single texts: changes of a valid spec, and what the API server says to them.

use serde_json::{Value, json};

/// Kind, change of a valid spec, what is said.
pub fn refused() -> Vec<(&'static str, Value, &'static str)> {
    [routes(), machines(), apis(), accounts(), super::schema_domains::refused(), plans()].concat()
}

fn routes() -> Vec<(&'static str, Value, &'static str)> {
    let target = "spec.target: Invalid value: set exactly one of `stateMachineRef`, `arn`, `stateMachineRefs` (or only \
                  `stages`)";
    let parameter = |path: &str| json!({"path": path});
    let source = |entry: Value| json!({"request": {"input": [entry]}});
    let one_source = "spec.request.input[0]: Invalid value: set exactly one of `body`, `path`, `query`, `queryList`, \
                      `header`, `headerList`, `context`, `stageVariable`, `value`";
    let default = "spec.response.responses: Invalid value: exactly one response must have an `integration` without \
                   `selectionPattern`: it is the default";
    let no_machine = "spec.target: Invalid value: a task's token says which task is meant, and a mock calls nothing: leave \
                      `stateMachineRef`, `arn`, `stateMachineRefs` and `stages` out";
    let either = "spec.response: Invalid value: set either `output`, `statuses` and `headers`, which change the \
                  action's own responses, or `responses`, which replace them";
    let one_part =
        "spec.response.output[0]: Invalid value: set exactly one of `from`, `context`, `stageVariable`, `value`";
    let one_value = "spec.response.headers[0]: Invalid value: set exactly one of `value`, `header`, `body`, `context`, \
                     `stageVariable`";
    let header = |source: Value| {
        let mut header = json!({"name": "X-A"});
        header.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        header
    };
    let role = "spec.invokeRole: Invalid value: set exactly one of `arn` (an existing role) and `managedPolicyArns` (a \
                managed role of this route's own)";
    let authorizer = "spec.authorization: Invalid value: set `authorizer` exactly when `type` is CUSTOM or \
                      COGNITO_USER_POOLS: the name of one in the RestAPI's spec.authorizers";
    let refs = json!({"stateMachineRef": null, "stateMachineRefs": [{"name": "a"}]});
    let stages = json!([{"stage": "prod", "stateMachineRef": {"name": "b"}}]);
    vec![
        (parameter("/{id}/x/{id}"), "spec.path: Invalid value: \"/{id}/x/{id}\": a path parameter may stand only once in the path"),
        (parameter("/{id}/{id+}"), "spec.path: Invalid value: \"/{id}/{id+}\": a path parameter may stand only once in the path"),
        (parameter(&format!("/{}", "x".repeat(512))), "spec.path: Too long: may not be more than 512 bytes"),
        (
            json!({"method": "post"}),
            "spec.method: Unsupported value: \"post\": supported values: \"GET\", \"HEAD\", \"POST\", \"PUT\", \"PATCH\", \
             \"DELETE\", \"OPTIONS\", \"ANY\"",
        ),
        (json!({"method": null}), "spec.method: Required value"),
        (json!({"target": {"stateMachineRef": null}}), target),
        (json!({"target": {"arn": "arn:aws:states:us-east-1:111122223333:stateMachine:x"}}), target),
        (json!({"target": {"stateMachineRefs": [{"name": "a"}]}}), target),
        (
            json!({"target": {"stateMachineRef": null, "stateMachineRefs": [{"name": "a"}], "stages": stages}}),
            "spec.target: Invalid value: `stages` chooses the machine per stage and `stateMachineRefs` lets the client \
             choose: use one of them",
        ),
        (
            json!({"target": {"action": "StartExecutions"}}),
            "spec.target.action: Unsupported value: \"StartExecutions\": supported values: \"StartExecution\", \
             \"StartSyncExecution\", \"DescribeExecution\", \"StopExecution\", \"GetExecutionHistory\", \
             \"ListExecutions\", \"SendTaskSuccess\", \"SendTaskFailure\", \"SendTaskHeartbeat\", \"Mock\"",
        ),
        (json!({"target": {"action": null}}), "spec.target.action: Required value"),
        (json!({"authorization": null}), "spec.authorization: Required value"),
        (
            json!({"authorization": {"type": "JWT"}}),
            "spec.authorization.type: Unsupported value: \"JWT\": supported values: \"NONE\", \"AWS_IAM\", \"CUSTOM\", \
             \"COGNITO_USER_POOLS\"",
        ),
        (json!({"authorization": {"type": "CUSTOM"}}), authorizer),
        (json!({"authorization": {"type": "AWS_IAM", "authorizer": "a"}}), authorizer),
        (
            json!({"authorization": {"type": "CUSTOM", "authorizer": "a", "scopes": ["s"]}}),
            "spec.authorization: Invalid value: `scopes` are checked with type COGNITO_USER_POOLS only",
        ),
        (
            json!({"timeoutMillis": 49}),
            "spec.timeoutMillis: Invalid value: 49: spec.timeoutMillis in body should be greater than or equal to 50",
        ),
        (
            json!({"timeoutMillis": 300_001}),
            "spec.timeoutMillis: Invalid value: 300001: spec.timeoutMillis in body should be less than or equal to 300000",
        ),
        (
            json!({"target": {"action": "DescribeExecution"}}),
            "spec: Invalid value: DescribeExecution, StopExecution and GetExecutionHistory need request.executionName: which \
             part of the request names the execution",
        ),
        (
            json!({"target": {"action": "StopExecution"}, "request": {"executionName": {"query": "n"}, "input": [{"to": "/a", "query": "a"}]}}),
            "spec: Invalid value: only StartExecution, StartSyncExecution and SendTaskSuccess take request.input",
        ),
        (
            json!({"request": {"templates": {"application/json": "{}"}, "input": [{"to": "/a", "query": "a"}]}}),
            "spec.request: Invalid value: `templates` are the whole mapping: leave `input`, `executionName`, `taskToken`, \
             `error`, `cause`, `traceHeader` and `contentTypes` out",
        ),
        (
            json!({"target": refs, "request": {"input": [{"to": "/a", "query": "a"}]}}),
            "spec: Invalid value: with target.stateMachineRefs the client's body is the whole request: leave request.input, \
             executionName, error, cause and traceHeader out",
        ),
        (source(json!({"to": "/a"})), one_source),
        (source(json!({"to": "/a", "query": "a", "header": "b"})), one_source),
        (
            json!({"request": {"input": []}}),
            "spec.request.input: Invalid value: 0: spec.request.input in body should have at least 1 items",
        ),
        (
            json!({"request": {"executionName": {}}}),
            "spec.request.executionName: Invalid value: set exactly one of `body`, `path`, `query`, `header`, \
             `context`, `stageVariable`, `value`",
        ),
        (
            json!({"invokeRole": {"arn": "arn:aws:iam::111122223333:role/r", "managedPolicyArns": ["arn:aws:iam::aws:policy/p"]}}),
            role,
        ),
        (json!({"invokeRole": {}}), role),
        (json!({"target": {"action": "SendTaskSuccess"}, "request": {"taskToken": {"query": "t"}}}), no_machine),
        (json!({"target": {"action": "Mock", "mock": {"statusCode": 200}}}), no_machine),
        (json!({"target": {"mock": {"statusCode": 200}}}), "spec.target: Invalid value: set `mock` exactly when `action` is Mock"),
        (
            json!({"target": {"action": "SendTaskSuccess", "stateMachineRef": null}}),
            "spec: Invalid value: SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat need request.taskToken: which part \
             of the request is the task's token",
        ),
        (
            json!({"request": {"taskToken": {"query": "t"}}}),
            "spec: Invalid value: only SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat take request.taskToken",
        ),
        (
            json!({"request": {"cause": {"query": "t"}}}),
            "spec: Invalid value: only StopExecution and SendTaskFailure take request.error and request.cause",
        ),
        (
            json!({"target": {"action": "ListExecutions"}, "request": {"traceHeader": {"header": "X-Amzn-Trace-Id"}}}),
            "spec: Invalid value: only StartExecution and StartSyncExecution take request.traceHeader",
        ),
        (
            json!({"target": {"action": "ListExecutions"}, "request": {"executionName": {"query": "n"}}}),
            "spec: Invalid value: ListExecutions, SendTask… and Mock take no request.executionName",
        ),
        (
            json!({"target": {"action": "Mock", "mock": {"statusCode": 200}, "stateMachineRef": null}, "invokeRole": {"arn": "arn:aws:iam::111122223333:role/r"}}),
            "spec: Invalid value: a mock calls nothing: leave invokeRole, request.templates and request.contentTypes out",
        ),
        (json!({"response": {"output": [{"to": "/a"}]}}), one_part),
        (json!({"response": {"output": [{"to": "/a", "from": "", "context": "requestId"}]}}), one_part),
        (
            json!({"response": {"statuses": [{"status": 409}]}}),
            "spec.response.statuses[0]: Invalid value: set `becomes`, `body` or both",
        ),
        (json!({"response": {}}), either),
        (json!({"response": {"headers": [header(json!({"value": "a"}))], "responses": [{"statusCode": 200, "integration": {}}]}}), either),
        (json!({"response": {"headers": [header(json!({}))]}}), one_value),
        (json!({"response": {"headers": [header(json!({"value": "a", "context": "requestId"}))]}}), one_value),
        (
            json!({"response": {"headers": [header(json!({"value": "it's"}))]}}),
            "spec.response.headers[0].value: Invalid value: \"it's\": a header's value holds printable ASCII without \
             apostrophes: API Gateway has no escape for them",
        ),
        (json!({"response": {"responses": [{"statusCode": 200}]}}), default),
        (json!({"response": {"responses": [{"statusCode": 200, "integration": {}}, {"statusCode": 201, "integration": {}}]}}), default),
        (
            json!({"response": {"responses": [{"statusCode": 200, "integration": {}}, {"statusCode": 200}]}}),
            "spec.response.responses[1]: Duplicate value: {\"statusCode\":200}",
        ),
        (
            json!({"response": {"responses": [{"statusCode": 99, "integration": {}}]}}),
            "spec.response.responses[0].statusCode: Invalid value: 99: spec.response.responses[0].statusCode in body should \
             be greater than or equal to 100",
        ),
    ]
    .into_iter()
    .map(|(change, message)| ("APIRoute", change, message))
    .collect()
}

fn machines() -> Vec<(&'static str, Value, &'static str)> {
    let definition = "spec: Invalid value: set exactly one of `definition` and `definitionFrom`";
    let substitution = "spec.substitutions[0]: Invalid value: set exactly one of `value`, `json`, `stateMachineRef`, \
                        `configMapKeyRef`";
    let selector = "spec.allowedCallers.namespaces: Invalid value: set `selector` exactly when `from` is Selector";
    let group = "spec.logging: Invalid value: `logGroupArn` says where the log goes: set it unless `level` is OFF, and leave it \
                 out where it is";
    let callers = |namespaces: Value| json!({"allowedCallers": {"namespaces": namespaces}});
    let statement = |statement: Value| json!({"executionRole": {"statements": [statement]}});
    let adopts = |role: Value| json!({"executionRole": role});
    let adoption = json!({"policy": "Adopt", "arn": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/team/r"});
    let role_arn = "spec.executionRole.adoption.arn: Invalid value: \"orders\": write the ARN of one role: \
                    arn:aws:iam::ACCOUNT:role/NAME (the built-ins ${AWS::Partition} and ${AWS::AccountId} may stand in it)";
    let all_roles = "spec.executionRole.adoption.arn: Invalid value: \"arn:aws:iam::111122223333:role/*\": write the ARN of one role: \
                     arn:aws:iam::ACCOUNT:role/NAME (the built-ins ${AWS::Partition} and ${AWS::AccountId} may stand in it)";
    vec![
        (json!({"definitionFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}), definition),
        (json!({"definition": null}), definition),
        (json!({"type": "Express"}), "spec.type: Unsupported value: \"Express\": supported values: \"STANDARD\", \"EXPRESS\""),
        (json!({"type": null}), "spec.type: Required value"),
        (json!({"name": "x".repeat(81)}), "spec.name: Too long: may not be more than 80 bytes"),
        (json!({"substitutions": [{"name": "A", "value": "a", "json": "1"}]}), substitution),
        (json!({"substitutions": [{"name": "A"}]}), substitution),
        (
            json!({"substitutions": [{"name": "A", "value": "a"}, {"name": "A", "value": "b"}]}),
            "spec.substitutions[1]: Duplicate value: {\"name\":\"A\"}",
        ),
        (
            json!({"executionRole": {"arn": "arn:aws:iam::111122223333:role/r", "managedPolicyArns": ["arn:aws:iam::aws:policy/p"]}}),
            "spec.executionRole: Invalid value: `arn` names an existing role: `inferred`, `statements` and `managedPolicyArns` \
             belong to a managed one, so leave one or the other out",
        ),
        (
            json!({"executionRole": {"scope": "Namespace", "managedPolicyArns": ["arn:aws:iam::aws:policy/p"]}}),
            "spec.executionRole: Invalid value: with `scope: Namespace` the role is shared and managed: leave out `arn` and \
             `managedPolicyArns`, or the scope",
        ),
        (adopts(json!({"adoption": {"policy": "Adopt", "arn": "orders"}})), role_arn),
        (adopts(json!({"adoption": {"policy": "Adopt", "arn": "arn:aws:iam::111122223333:role/*"}})), all_roles),
        (adopts(json!({"adoption": {"policy": "Adopt"}})), "spec.executionRole.adoption.arn: Required value"),
        (
            adopts(json!({"adoption": adoption, "arn": "arn:aws:iam::111122223333:role/r"})),
            "spec.executionRole: Invalid value: `arn` names a role that stays as it is, `adoption` one that becomes managed: \
             leave one of them out",
        ),
        (
            adopts(json!({"adoption": adoption, "scope": "Namespace"})),
            "spec.executionRole: Invalid value: an adopted role is one machine's: leave out `adoption`, or `scope: Namespace`",
        ),
        (
            statement(json!({"actions": ["s3:GetObject"], "resources": []})),
            "spec.executionRole.statements[0].resources: Invalid value: 0: spec.executionRole.statements[0].resources in \
             body should have at least 1 items",
        ),
        (statement(json!({"actions": ["s3:GetObject"]})), "spec.executionRole.statements[0].resources: Required value"),
        (json!({"logging": {"level": "ALL"}}), group),
        (json!({"logging": {"level": "OFF", "logGroupArn": "arn:aws:logs:us-east-1:111122223333:log-group:a"}}), group),
        (
            json!({"logging": {"level": "OFF", "includeExecutionData": true}}),
            "spec.logging: Invalid value: with `level: OFF` nothing is logged, so leave `includeExecutionData` out",
        ),
        (
            json!({"logging": {"level": "INFO"}}),
            "spec.logging.level: Unsupported value: \"INFO\": supported values: \"ALL\", \"ERROR\", \"FATAL\", \"OFF\"",
        ),
        (
            json!({"encryption": {"kmsKeyArn": "arn:aws:kms:us-east-1:111122223333:alias/a"}}),
            "spec.encryption.kmsKeyArn: Invalid value: \"arn:aws:kms:us-east-1:111122223333:alias/a\": write the ARN of a key, not of an \
             alias, because the role's policy can name only the key: arn:aws:kms:REGION:ACCOUNT:key/ID (the built-ins \
             ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)",
        ),
        (
            json!({"encryption": {"kmsKeyArn": "arn:aws:kms:us-east-1:111122223333:key/a", "kmsDataKeyReusePeriodSeconds": 59}}),
            "spec.encryption.kmsDataKeyReusePeriodSeconds: Invalid value: 59: spec.encryption.kmsDataKeyReusePeriodSeconds in body \
             should be greater than or equal to 60",
        ),
        (json!({"encryption": {"kmsDataKeyReusePeriodSeconds": 60}}), "spec.encryption.kmsKeyArn: Required value"),
        (callers(json!({"from": "Selector"})), selector),
        (callers(json!({"from": "All", "selector": {"matchLabels": {"a": "b"}}})), selector),
        (
            callers(json!({"from": "Any"})),
            "spec.allowedCallers.namespaces.from: Unsupported value: \"Any\": supported values: \"Same\", \"Selector\", \"All\"",
        ),
        (
            json!({"deletionPolicy": "Keep"}),
            "spec.deletionPolicy: Unsupported value: \"Keep\": supported values: \"Delete\", \"Retain\"",
        ),
    ]
    .into_iter()
    .map(|(change, message)| ("StateMachine", change, message))
    .collect()
}

fn plans() -> Vec<(&'static str, Value, &'static str)> {
    let one = "spec.apiKeys[0]: Invalid value: set exactly one of `secretKeyRef`, `generate` and `from`";
    let offset = "spec.quota: Invalid value: `offset` is 0 for DAY, at most 6 for WEEK and at most 27 for MONTH";
    let keys = |key: Value| json!({"apiKeys": [key]});
    let secret = json!({"name": "keys", "key": "a"});
    let quota = |period: &str, offset: u32| json!({"quota": {"limit": 1, "period": period, "offset": offset}});
    let throttle = json!({"path": "/a", "method": "GET", "rateLimit": 1, "burstLimit": 1});
    let twice = json!({"apiStages": [{"apiRef": {"name": "a"}, "stage": "s", "methodThrottle": [throttle, throttle]}]});
    vec![
        (keys(json!({"name": "a"})), one),
        (keys(json!({"name": "a", "secretKeyRef": secret, "generate": {"secretName": "b", "key": "c"}})), one),
        (
            keys(json!({"name": "a", "from": {"usagePlan": "b", "key": "c"}, "enabled": false})),
            "spec.apiKeys[0]: Invalid value: a key that comes `from` another UsagePlan is enabled and disabled there; to \
             take it out of this plan, take it off the list",
        ),
        (keys(json!({"name": "a", "secretKeyRef": {"name": "keys"}})), "spec.apiKeys[0].secretKeyRef.key: Required value"),
        (
            json!({"apiKeys": [{"name": "a", "secretKeyRef": secret}, {"name": "a", "secretKeyRef": secret}]}),
            "spec.apiKeys[1]: Duplicate value: {\"name\":\"a\"}",
        ),
        (quota("DAY", 1), offset),
        (quota("WEEK", 7), offset),
        (json!({"throttle": {"rateLimit": 1}}), "spec.throttle.burstLimit: Required value"),
        (twice, "spec.apiStages[0].methodThrottle[1]: Duplicate value: {\"method\":\"GET\",\"path\":\"/a\"}"),
        (
            json!({"rotationGracePeriod": "a day"}),
            "spec.rotationGracePeriod: Invalid value: \"a day\": write a length of time, such as 90s, 30m or 24h",
        ),
    ]
    .into_iter()
    .map(|(change, message)| ("UsagePlan", change, message))
    .collect()
}

fn apis() -> Vec<(&'static str, Value, &'static str)> {
    let many: Vec<Value> = (0..11).map(|n| json!({"name": format!("s{n}")})).collect();
    let grant = |grant: Value| json!({"allowedRoutes": [grant]});
    let answers = |answer: Value| json!({"gatewayResponses": [answer]});
    let authorizers = |list: Value| json!({"authorizers": list});
    let function = "arn:aws:lambda:us-east-1:111122223333:function:auth";
    let one_kind = "spec.authorizers[0]: Invalid value: set exactly one of `token`, `request`, `cognitoUserPools`";
    vec![
        (json!({"stages": null}), "spec.stages: Required value"),
        (json!({"stages": []}), "spec.stages: Invalid value: 0: spec.stages in body should have at least 1 items"),
        (json!({"stages": [{"name": "a"}, {"name": "a"}]}), "spec.stages[1]: Duplicate value: {\"name\":\"a\"}"),
        (json!({"stages": many}), "spec.stages: Too many: 11: must have at most 10 items"),
        (
            json!({"stages": [{"name": "a", "canary": {"percent": 10}}]}),
            "spec.stages[0]: Invalid value: a canary needs a stage that stays: set `revision` to what the stage serves now, or \
             `deploy: Manual`",
        ),
        (
            json!({"stages": [{"name": "a", "revision": 1, "canary": {"percent": 100.5}}]}),
            "spec.stages[0].canary.percent: Invalid value: 100.5: spec.stages[0].canary.percent in body should be less than \
             or equal to 100",
        ),
        (
            json!({"stages": [{"name": "a", "accessLog": {"retentionDays": 2}}]}),
            "spec.stages[0].accessLog.retentionDays: Invalid value: 2: CloudWatch Logs keeps lines for 1, 3, 5, 7, 14, 30, 60, \
             90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days",
        ),
        (
            json!({"stages": [{"name": "a", "accessLog":
                {"retentionDays": 1, "logGroupArn": "arn:aws:logs:us-east-1:111122223333:log-group:a"}}]}),
            "spec.stages[0].accessLog: Invalid value: `logGroupArn` names a log group of your own, whose retention is yours to \
             set: leave `retentionDays` out",
        ),
        (
            json!({"stages": [{"name": "a", "cache": {"clusterSize": "1"}}]}),
            "spec.stages[0].cache.clusterSize: Unsupported value: \"1\": supported values: \"0.5\", \"1.6\", \"6.1\", \
             \"13.5\", \"28.4\", \"58.2\", \"118\", \"237\"",
        ),
        (
            json!({"stages": [{"name": "a", "revision": 0}]}),
            "spec.stages[0].revision: Invalid value: 0: spec.stages[0].revision in body should be greater than or equal to 1",
        ),
        (
            json!({"stages": [{"name": "a", "clientCertificate": {}}]}),
            "spec.stages[0].clientCertificate: Invalid value: set exactly one of `id` and `acmCertificateArn`",
        ),
        (
            json!({"endpoint": {"type": "LOCAL"}}),
            "spec.endpoint.type: Unsupported value: \"LOCAL\": supported values: \"REGIONAL\", \"EDGE\", \"PRIVATE\"",
        ),
        (
            json!({"endpoint": {"type": "PRIVATE"}}),
            "spec: Invalid value: nobody can call a PRIVATE API without `resourcePolicy`: add one that allows calls from \
             your VPC endpoints",
        ),
        (
            json!({"endpoint": {"type": "PRIVATE", "ipAddressType": "ipv4"}, "resourcePolicy": "{}"}),
            "spec.endpoint: Invalid value: a PRIVATE API takes ipAddressType dualstack only: leave it out",
        ),
        (
            json!({"endpoint": {"vpcEndpointIds": ["vpce-1"]}}),
            "spec.endpoint: Invalid value: `vpcEndpointIds` are for type PRIVATE only",
        ),
        (
            json!({"minimumCompressionSize": 10_485_761}),
            "spec.minimumCompressionSize: Invalid value: 10485761: spec.minimumCompressionSize in body should be less than \
             or equal to 10485760",
        ),
        (
            json!({"apiKeySource": "QUERY"}),
            "spec.apiKeySource: Unsupported value: \"QUERY\": supported values: \"HEADER\", \"AUTHORIZER\"",
        ),
        (authorizers(json!([{"name": "a"}])), one_kind),
        (authorizers(json!([{"name": "a", "token": {"functionArn": function}, "request": {"functionArn": function, "resultTtlSeconds": 0}}])), one_kind),
        (
            authorizers(json!([{"name": "a", "request": {"functionArn": function}}])),
            "spec.authorizers[0].request: Invalid value: answers are kept by what `identitySources` name: set them, or \
             `resultTtlSeconds: 0`",
        ),
        (
            authorizers(json!([{"name": "a", "request": {"functionArn": function, "identitySources": [{"header": "a", "query": "b"}]}}])),
            "spec.authorizers[0].request.identitySources[0]: Invalid value: set exactly one of `header`, `query`, \
             `stageVariable`, `context`",
        ),
        (
            authorizers(json!([{"name": "a", "token": {"functionArn": function, "resultTtlSeconds": 3601}}])),
            "spec.authorizers[0].token.resultTtlSeconds: Invalid value: 3601: spec.authorizers[0].token.resultTtlSeconds in \
             body should be less than or equal to 3600",
        ),
        (
            authorizers(json!((0..11).map(|n| json!({"name": format!("a{n}"), "token": {"functionArn": function}})).collect::<Vec<_>>())),
            "spec.authorizers: Too many: 11: must have at most 10 items",
        ),
        (
            answers(json!({"type": "TEAPOT", "statusCode": 418})),
            "spec.gatewayResponses[0].type: Unsupported value: \"TEAPOT\": supported values: \"ACCESS_DENIED\", \"API_CONFIGURATION_ERROR\", \"AUTHORIZER_CONFIGURATION_ERROR\", \"AUTHORIZER_FAILURE\", \"BAD_REQUEST_BODY\", \"BAD_REQUEST_PARAMETERS\", \"DEFAULT_4XX\", \"DEFAULT_5XX\", \"EXPIRED_TOKEN\", \"INTEGRATION_FAILURE\", \"INTEGRATION_TIMEOUT\", \"INVALID_API_KEY\", \"INVALID_SIGNATURE\", \"MISSING_AUTHENTICATION_TOKEN\", \"QUOTA_EXCEEDED\", \"REQUEST_TOO_LARGE\", \"RESOURCE_NOT_FOUND\", \"THROTTLED\", \"UNAUTHORIZED\", \"UNSUPPORTED_MEDIA_TYPE\", \"WAF_FILTERED\"",
        ),
        (
            json!({"cors": {"origins": ["*", "https://a.example"]}}),
            "spec.cors: Invalid value: `*` is every origin: it stands alone in `origins`",
        ),
        (
            json!({"cors": {"origins": ["*"], "credentials": true}}),
            "spec.cors: Invalid value: with `credentials` browsers take no `*`: name the origins",
        ),
        (
            json!({"cors": {"origins": ["https://a.example"], "headers": ["*"], "credentials": true}}),
            "spec.cors: Invalid value: with `credentials` browsers take `*` for a header's name: name the headers",
        ),
        (
            json!({"cors": {"origins": ["https://a.example/"]}}),
            "spec.cors.origins: Invalid value: write an origin as browsers do, such as https://app.example.com or https://*.example.com: scheme, host in lower case and perhaps a port, without `/` at its end",
        ),
        (
            answers(json!({"type": "THROTTLED"})),
            "spec.gatewayResponses[0]: Invalid value: say what differs from AWS's own answer: set `statusCode`, `headers` or `templates`",
        ),
        (
            answers(json!({"type": "THROTTLED", "headers": [{"name": "A", "value": "it's"}]})),
            "spec.gatewayResponses[0].headers[0].value: Invalid value: \"it's\": a header's text is printable ASCII without `'`, which API Gateway quotes it with",
        ),
        (
            answers(json!({"type": "THROTTLED", "headers": [{"name": "A", "value": "a", "query": "b"}]})),
            "spec.gatewayResponses[0].headers[0]: Invalid value: set exactly one of `value`, `path`, `query`, `header`, `context`",
        ),
        (
            json!({"adoption": {"policy": "Adopt"}}),
            "spec.adoption: Invalid value: set exactly one of `restApiId` and `name`",
        ),
        (
            json!({"adoption": {"policy": "AdoptOrCreate", "restApiId": "a1"}}),
            "spec.adoption: Invalid value: AWS chooses the ids of APIs: with `policy: AdoptOrCreate` say which one is meant by `name`",
        ),
        (
            json!({"revisionHistoryLimit": 101}),
            "spec.revisionHistoryLimit: Invalid value: 101: spec.revisionHistoryLimit in body should be less than or equal to 100",
        ),
        (
            json!({"allowedRoutes": []}),
            "spec.allowedRoutes: Invalid value: 0: spec.allowedRoutes in body should have at least 1 items",
        ),
        (grant(json!({"pathPrefixes": ["/a"]})), "spec.allowedRoutes[0].namespaces: Required value"),
        (
            grant(json!({"namespaces": {"from": "Selector"}})),
            "spec.allowedRoutes[0].namespaces: Invalid value: set `selector` exactly when `from` is Selector",
        ),
        (
            grant(json!({"namespaces": {"from": "Same"}, "mappings": ["Any"]})),
            "spec.allowedRoutes[0].mappings[0]: Unsupported value: \"Any\": supported values: \"Structured\", \"Raw\"",
        ),
    ]
    .into_iter()
    .map(|(change, message)| ("RestAPI", change, message))
    .collect()
}

fn accounts() -> Vec<(&'static str, Value, &'static str)> {
    let tenant = |tenant: Value| json!({"tenants": [tenant]});
    let all = json!({"name": "a", "namespaces": {"from": "All"}});
    vec![
        (json!({"regions": []}), "spec.regions: Invalid value: 0: spec.regions in body should have at least 1 items"),
        (json!({"tenants": [all, all]}), "spec.tenants[1]: Duplicate value: {\"name\":\"a\"}"),
        (
            tenant(json!({"name": "a", "namespaces": {"from": "Selector", "selector": {}}})),
            "spec.tenants[0].namespaces: Invalid value: an empty selector would mean every namespace: write `from: All` if \
             that is meant",
        ),
        (tenant(json!({"name": "a"})), "spec.tenants[0].namespaces: Required value"),
        (
            tenant(json!({"name": "a", "namespaces": {"from": "Same"}})),
            "spec.tenants[0]: Invalid value: an AWSAccount has no namespace of its own: `namespaces.from` must be Selector or All",
        ),
        (
            tenant(json!({"name": "a", "namespaces": {"from": "All"}, "ceiling": [{"actions": [], "resources": ["*"]}]})),
            "spec.tenants[0].ceiling[0].actions: Invalid value: 0: spec.tenants[0].ceiling[0].actions in body should have at \
             least 1 items",
        ),
        (
            tenant(json!({"name": "a", "namespaces": {"from": "All"}, "exposure": {"authorizations": ["ANY"]}})),
            "spec.tenants[0].exposure.authorizations[0]: Unsupported value: \"ANY\": supported values: \"NONE\", \"AWS_IAM\", \
             \"CUSTOM\", \"COGNITO_USER_POOLS\"",
        ),
    ]
    .into_iter()
    .map(|(change, message)| ("AWSAccount", change, message))
    .collect()
}

/// Kind, change of a valid spec.
pub fn taken() -> Vec<(&'static str, Value)> {
    let refs = json!({"stateMachineRef": null, "stateMachineRefs": [{"name": "a"}]});
    let mut taken = vec![
        ("UsagePlan", json!({"quota": {"limit": 1, "period": "MONTH", "offset": 27}, "rotationGracePeriod": "0s"})),
        ("UsagePlan", json!({"apiKeys": [{"name": "a", "from": {"usagePlan": "b", "key": "c"}}]})),
        ("APIRoute", json!({"timeoutMillis": 50})),
        ("APIRoute", json!({"timeoutMillis": 300_000})),
        ("APIRoute", json!({"path": "/{a}/{ab}/{abc+}"})),
        ("APIRoute", json!({"apiRef": {"name": "api", "namespace": "other"}, "authorization": {"type": "AWS_IAM"}})),
        ("APIRoute", json!({"target": {"stages": [{"stage": "dev", "stateMachineRef": {"name": "dev"}}]}})),
        (
            "APIRoute",
            json!({"target": {"stateMachineRef": null, "stages": [{"stage": "dev", "stateMachineRef": {"name": "dev"}}]}}),
        ),
        ("APIRoute", json!({"target": {"action": "DescribeExecution"}, "request": {"executionName": {"query": "n"}}})),
        ("APIRoute", json!({"target": refs, "request": {"templates": {"application/json": "{}"}}})),
        ("APIRoute", json!({"request": {"input": [{"to": "/a", "body": ""}, {"to": "/b", "value": "1"}]}})),
        ("StateMachine", json!({"definition": null, "definitionFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}})),
        (
            "StateMachine",
            json!({"substitutions": [{"name": "A", "value": ""}, {"name": "B", "stateMachineRef": {"name": "b"}}]}),
        ),
        ("StateMachine", json!({"logging": {"level": "OFF"}})),
        ("StateMachine", json!({"executionRole": {}, "allowedCallers": {"namespaces": {"from": "All"}}})),
        ("RestAPI", json!({"stages": [{"name": "a", "revision": 1, "variables": {"x": "y"}}, {"name": "b"}]})),
        ("RestAPI", json!({"endpoint": {"type": "EDGE"}, "revisionHistoryLimit": 0, "region": "eu-central-1"})),
        (
            "AWSAccount",
            json!({"tenants": [{"name": "a", "namespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}}]}),
        ),
    ];
    taken.extend(super::schema_domains::taken());
    taken
}

/// Kind, change before, change after, what is said; nothing where it is taken.
pub fn updates() -> Vec<(&'static str, Value, Value, Option<&'static str>)> {
    let type_ = "spec: Invalid value: type is immutable: AWS cannot change the type of a state machine; create another \
                 StateMachine";
    let name = "spec: Invalid value: name is immutable: AWS cannot rename a state machine; create another StateMachine";
    let scope = "spec: Invalid value: executionRole.scope is immutable: create another StateMachine";
    let region = "spec: Invalid value: region is immutable: an API cannot move; create another RestAPI";
    let api = "spec: Invalid value: apiRef is immutable: a route cannot move to another API; create another APIRoute";
    let account =
        "spec.accountId: Invalid value: \"444455556666\": accountId is immutable: create another AWSAccount instead";
    let none = || json!({});
    let plan = "spec: Invalid value: region is immutable: a usage plan cannot move; create another UsagePlan";
    let adopted = json!({"policy": "AdoptOrCreate", "arn": "arn:aws:iam::111122223333:role/r", "unmanaged": "Remove"});
    let mut updates = vec![
        ("UsagePlan", json!({"region": "eu-west-1"}), json!({"region": "eu-central-1"}), Some(plan)),
        ("StateMachine", none(), json!({"type": "STANDARD"}), Some(type_)),
        ("StateMachine", json!({"name": "a"}), json!({"name": "b"}), Some(name)),
        ("StateMachine", json!({"name": "a"}), none(), Some(name)),
        ("StateMachine", none(), json!({"name": "a"}), Some(name)),
        ("StateMachine", json!({"name": "a"}), json!({"name": "a", "definition": "[]"}), None),
        ("StateMachine", none(), json!({"executionRole": {"scope": "Namespace"}}), Some(scope)),
        ("StateMachine", json!({"executionRole": {"scope": "Namespace"}}), none(), Some(scope)),
        ("StateMachine", none(), json!({"executionRole": {"scope": "Machine"}}), None),
        ("StateMachine", none(), json!({"executionRole": {"adoption": adopted}}), None),
        ("StateMachine", json!({"executionRole": {"adoption": adopted}}), none(), None),
        ("RestAPI", json!({"region": "us-east-1"}), json!({"region": "eu-west-1"}), Some(region)),
        ("RestAPI", json!({"region": "us-east-1"}), none(), Some(region)),
        ("RestAPI", none(), json!({"region": "us-east-1"}), Some(region)),
        ("RestAPI", none(), json!({"stages": [{"name": "other"}]}), None),
        ("APIRoute", none(), json!({"apiRef": {"name": "other"}}), Some(api)),
        ("APIRoute", none(), json!({"apiRef": {"name": "api", "namespace": "other"}}), Some(api)),
        ("APIRoute", json!({"apiRef": {"namespace": "other"}}), none(), Some(api)),
        ("APIRoute", none(), json!({"path": "/other", "method": "GET"}), None),
        ("AWSAccount", none(), json!({"accountId": "444455556666"}), Some(account)),
        ("AWSAccount", none(), json!({"regions": [{"name": "eu-west-1"}]}), None),
    ];
    updates.extend(super::schema_domains::updates());
    updates
}
