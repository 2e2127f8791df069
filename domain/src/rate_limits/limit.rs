/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Requests from one network address, whoever makes them.
    Address,
    /// Attempts to pass as an operator from an address that has used its requests up.
    OperatorAttempts,
    /// Requests of one tenant, whoever of it makes them.
    Tenant,
    /// Requests by one API key.
    ApiKey,
    /// Requests for one operation: of one tenant, or from one address where nobody is known yet.
    Operation(LimitedOperation),
}

/// The operations that have limits of their own: they cost far more than others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedOperation {
    AcceptInvitation,
    BeginLeadExport,
    BeginLeadScoring,
    CreateLeads,
    ExportLeads,
    ImportLeads,
    LogIn,
    PingWebhook,
    SayCommand,
    ScoreLead,
    SearchLeads,
    SignUp,
    SummarizeActivities,
    UpdateLeads,
}

impl Limit {
    pub const COUNT: usize = 4 + LimitedOperation::ALL.len();

    /// Every limit, each at its [`Limit::index`].
    pub const ALL: [Self; Self::COUNT] = {
        let mut all = [Self::Address; Self::COUNT];
        all[1] = Self::OperatorAttempts;
        all[2] = Self::Tenant;
        all[3] = Self::ApiKey;
        let mut next = 4;
        while next < Self::COUNT {
            all[next] = Self::Operation(LimitedOperation::ALL[next - 4]);
            next += 1;
        }
        all
    };

    pub const fn index(self) -> usize {
        match self {
            Self::Address => 0,
            Self::OperatorAttempts => 1,
            Self::Tenant => 2,
            Self::ApiKey => 3,
            Self::Operation(operation) => 4 + operation as usize,
        }
    }

    /// As clients and metrics name it: an operation by its id in the specification.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::OperatorAttempts => "operatorAttempts",
            Self::Tenant => "tenant",
            Self::ApiKey => "apiKey",
            Self::Operation(operation) => operation.id(),
        }
    }
}

impl LimitedOperation {
    pub const ALL: [Self; 14] = [
        Self::AcceptInvitation,
        Self::BeginLeadExport,
        Self::BeginLeadScoring,
        Self::CreateLeads,
        Self::ExportLeads,
        Self::ImportLeads,
        Self::LogIn,
        Self::PingWebhook,
        Self::SayCommand,
        Self::ScoreLead,
        Self::SearchLeads,
        Self::SignUp,
        Self::SummarizeActivities,
        Self::UpdateLeads,
    ];

    /// The operation's id in the specification.
    pub const fn id(self) -> &'static str {
        match self {
            Self::AcceptInvitation => "acceptInvitation",
            Self::BeginLeadExport => "beginLeadExport",
            Self::BeginLeadScoring => "beginLeadScoring",
            Self::CreateLeads => "createLeads",
            Self::ExportLeads => "exportLeads",
            Self::ImportLeads => "importLeads",
            Self::LogIn => "login",
            Self::PingWebhook => "pingWebhook",
            Self::SayCommand => "sayCommand",
            Self::ScoreLead => "scoreLead",
            Self::SearchLeads => "searchLeads",
            Self::SignUp => "signUp",
            Self::SummarizeActivities => "summarizeActivities",
            Self::UpdateLeads => "updateLeads",
        }
    }

    /// Whether it is asked for by strangers, so that they are told apart by their addresses.
    pub const fn is_for_strangers(self) -> bool {
        matches!(self, Self::AcceptInvitation | Self::LogIn | Self::SignUp)
    }
}
