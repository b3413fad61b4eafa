//! Amazon RDS: snapshots that a deletion or a stop makes, and the tags that come with them. AWS's notice to customers on its change of
//! August 2024 names both (quoted in github.com/convox/convox/pull/856): a final snapshot wants `rds:CreateDBSnapshot`, and
//! `rds:AddTagsToResource` on the snapshot where its database has CopyTagsToSnapshot.

use super::task::Task;
use crate::policy::statement::Statement;

const INSTANCE: &str = "arn:$P:rds:$R:$A:db:${Name}";
const CLUSTER: &str = "arn:$P:rds:$R:$A:cluster:${Name}";
const SNAPSHOT: &str = "arn:$P:rds:$R:$A:snapshot:${Name}";
const CLUSTER_SNAPSHOT: &str = "arn:$P:rds:$R:$A:cluster-snapshot:${Name}";

/// Infers what an operation needs beside its own action.
pub(super) fn infer(task: &mut Task<'_>, operation: &str) {
    let instance = ("rds:CreateDBSnapshot", INSTANCE, "DBInstanceIdentifier", SNAPSHOT);
    let cluster = ("rds:CreateDBClusterSnapshot", CLUSTER, "DBClusterIdentifier", CLUSTER_SNAPSHOT);
    let ((action, database, identifier, snapshot), member) = match operation {
        "CreateDBSnapshot" => (instance, "DBSnapshotIdentifier"),
        "CreateDBClusterSnapshot" => (cluster, "DBClusterSnapshotIdentifier"),
        "DeleteDBInstance" => (instance, "FinalDBSnapshotIdentifier"),
        "DeleteDBCluster" => (cluster, "FinalDBSnapshotIdentifier"),
        "StopDBInstance" => (instance, "DBSnapshotIdentifier"),
        "CopyDBSnapshot" | "CopyDBClusterSnapshot" if task.member("CopyTags").is_some() => {
            let copies = created(task, operation, Vec::new());
            return task.allow(["rds:AddTagsToResource"], copies);
        }
        _ => return,
    };
    if task.member(member).is_none() {
        return;
    }
    let snapshots = task.resources(snapshot, member);
    if !operation.starts_with("Create") {
        let databases = task.resources(database, identifier);
        task.allow([action], databases.into_iter().chain(snapshots.clone()));
    }
    // Tags that the request gives are granted with it.
    if task.tags().is_none() {
        task.unknown_statement(
            "makes a snapshot, and RDS copies the tags of its database to it where that has CopyTagsToSnapshot"
                .to_owned(),
            Statement::allow(["rds:AddTagsToResource"], snapshots),
        );
    }
}

/// Of what an operation acts on, what it creates, where the ARN says it.
pub(super) fn created(task: &Task<'_>, operation: &str, mut resources: Vec<String>) -> Vec<String> {
    let kind = match operation {
        "CopyDBSnapshot" => return task.resources(SNAPSHOT, "TargetDBSnapshotIdentifier"),
        "CopyDBClusterSnapshot" => return task.resources(CLUSTER_SNAPSHOT, "TargetDBClusterSnapshotIdentifier"),
        "CreateDBSnapshot" => ":snapshot:",
        "CreateDBClusterSnapshot" => ":cluster-snapshot:",
        "CreateDBInstance" | "CreateDBInstanceReadReplica" => ":db:",
        _ if operation.starts_with("RestoreDBInstance") => ":db:",
        "CreateDBCluster" => ":cluster:",
        _ if operation.starts_with("RestoreDBCluster") => ":cluster:",
        _ => return resources,
    };
    if resources.iter().any(|resource| resource.contains(kind)) {
        resources.retain(|resource| resource.contains(kind));
    }
    resources
}
