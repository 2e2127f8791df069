use super::OperationKind;
use crate::access::{Actor, Caller, Denied, ExportLeads, ImportLeads, ScoreLeads, TenantScope};

/// Proof that a caller may follow operations of some kinds and stop them: of those that it may begin.
#[derive(Debug)]
pub struct OperationsPermit {
    scope: TenantScope,
    actor: Actor,
    kinds: Vec<OperationKind>,
}

impl OperationsPermit {
    /// Refused to a caller that may begin none.
    pub fn of(caller: &Caller) -> Result<Self, Denied> {
        let mut refused = None;
        let mut kinds = Vec::new();
        for kind in OperationKind::ALL {
            match may_begin(caller, kind) {
                Ok(()) => kinds.push(kind),
                Err(denied) => refused = Some(denied),
            }
        }
        match refused {
            Some(denied) if kinds.is_empty() => Err(denied),
            _ => Ok(Self {
                scope: caller.scope().clone(),
                actor: caller.actor(),
                kinds,
            }),
        }
    }

    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }

    pub fn actor(&self) -> Actor {
        self.actor
    }

    pub fn kinds(&self) -> &[OperationKind] {
        &self.kinds
    }
}

fn may_begin(caller: &Caller, kind: OperationKind) -> Result<(), Denied> {
    match kind {
        OperationKind::ImportLeads => caller.permit::<ImportLeads>().map(drop),
        OperationKind::ExportLeads => caller.permit::<ExportLeads>().map(drop),
        OperationKind::ScoreLeads => caller.permit::<ScoreLeads>().map(drop),
    }
}
