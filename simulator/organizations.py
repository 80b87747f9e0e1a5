"""Organizations' answers about policies, trusted services, delegated administrators and the resource policy."""

from __future__ import annotations

import json

from simulator.governance import Governance, OrganizationPolicy
from simulator.pages import Handler, Output, Settings, bad_request
from simulator.wire import Call
from simulator.world import digest


class PolicyApis:
    """The handlers, over one organisation's governance."""

    def __init__(self, governance: Governance, settings: Settings) -> None:
        self._governance, self._settings, self._world = governance, settings, governance.world
        self.handlers: dict[tuple[str, str], Handler] = {
            ("organizations", "ListPolicies"): self._list_policies,
            ("organizations", "ListPoliciesForTarget"): self._list_policies_for_target,
            ("organizations", "ListTargetsForPolicy"): self._list_targets_for_policy,
            ("organizations", "DescribePolicy"): self._describe_policy,
            ("organizations", "ListAWSServiceAccessForOrganization"): self._list_service_access,
            ("organizations", "ListDelegatedAdministrators"): self._list_administrators,
            ("organizations", "ListDelegatedServicesForAccount"): self._list_delegated_services,
            ("organizations", "DescribeResourcePolicy"): self._describe_resource_policy,
        }

    # ------------------------------------------------------------------ policies

    def _summary(self, policy: OrganizationPolicy) -> Output:
        return {
            "Id": policy.policy_id,
            "Arn": self._governance.policy_arn(policy),
            "Name": policy.name,
            "Description": policy.description,
            "Type": policy.policy_type,
            "AwsManaged": policy.is_aws_managed,
        }

    def _asked_type(self, call: Call) -> str | None:
        """The policy type of the request; None where it is not enabled and that answers an empty list."""
        wanted = str(call.parameters.get("Filter"))
        if wanted not in self._governance.policy_types:
            raise bad_request("InvalidInputException", f"You specified a policy type {wanted} of no kind.")
        if self._governance.state(wanted) != "not_enabled":
            return wanted
        if self._settings.disabled_policy_types == "refused":
            raise bad_request(
                "PolicyTypeNotEnabledException",
                "This operation can be performed only for enabled policy types.",
            )
        return None

    def _list_policies(self, call: Call) -> Output:
        wanted = self._asked_type(call)
        found = self._governance.policies(wanted) if wanted else []
        return self._settings.page(call, "Policies", found, self._summary)

    def _list_policies_for_target(self, call: Call) -> Output:
        target = str(call.parameters.get("TargetId"))
        if self._governance.target_type(target) is None:
            raise bad_request("TargetNotFoundException", "You specified a target that doesn't exist.")
        wanted = self._asked_type(call)
        found = self._governance.attached_to(target, wanted) if wanted else []
        return self._settings.page(call, "Policies", found, self._summary)

    def _policy(self, call: Call) -> OrganizationPolicy:
        policy = self._governance.policy(str(call.parameters.get("PolicyId")))
        if policy is None:
            raise bad_request("PolicyNotFoundException", "You specified a policy that doesn't exist.")
        return policy

    def _list_targets_for_policy(self, call: Call) -> Output:
        def shown(target: str) -> Output:
            kind = self._governance.target_type(target)
            noun = {"ROOT": "root", "ORGANIZATIONAL_UNIT": "ou"}.get(str(kind), "account")
            return {
                "TargetId": target,
                "Arn": self._world.organization_arn(noun, f"/{target}"),
                "Name": self._governance.target_name(target),
                "Type": kind,
            }

        return self._settings.page(call, "Targets", self._governance.targets(self._policy(call)), shown)

    def _describe_policy(self, call: Call) -> Output:
        policy = self._policy(call)
        content = json.dumps(policy.content, ensure_ascii=False)
        return {"Policy": {"PolicySummary": self._summary(policy), "Content": content}}

    # ------------------------------------------------------------------ services and delegations

    def _list_service_access(self, call: Call) -> Output:
        found = [{"ServicePrincipal": name, "DateEnabled": day} for name, day in self._governance.services.items()]
        return self._settings.page(call, "EnabledServicePrincipals", found)

    def _list_administrators(self, call: Call) -> Output:
        service = call.parameters.get("ServicePrincipal")
        found = [
            (self._world.accounts[account_id], min(services.values()))
            for account_id, services in self._governance.delegations().items()
            if service is None or service in services
        ]
        return self._settings.page(
            call,
            "DelegatedAdministrators",
            found,
            lambda item: {
                "Id": item[0].account_id,
                "Arn": self._world.organization_arn("account", f"/{item[0].account_id}"),
                "Email": item[0].email,
                "Name": item[0].name,
                "Status": item[0].status,
                "State": item[0].state,
                "JoinedMethod": item[0].joined_method,
                "JoinedTimestamp": item[0].joined_at,
                "DelegationEnabledDate": item[1],
            },
        )

    def _list_delegated_services(self, call: Call) -> Output:
        account_id = str(call.parameters.get("AccountId"))
        if self._governance.target_type(account_id) != "ACCOUNT":
            raise bad_request("AccountNotFoundException", "You specified an account that doesn't exist.")
        services = self._governance.delegations().get(account_id)
        if services is None:
            raise bad_request(
                "AccountNotRegisteredException",
                "The specified account is not a delegated administrator for this Amazon Web Services service.",
            )
        found = [{"ServicePrincipal": name, "DelegationEnabledDate": day} for name, day in services.items()]
        return self._settings.page(call, "DelegatedServices", found)

    def _describe_resource_policy(self, _call: Call) -> Output:
        document = self._governance.delegation_policy()
        if document is None:
            raise bad_request(
                "ResourcePolicyNotFoundException",
                "We can't find a resource policy request with the parameter that you specified.",
            )
        policy_id = "rp-" + digest(self._world.seed, self._world.tenant, "resource policy")[:8]
        return {
            "ResourcePolicy": {
                "ResourcePolicySummary": {
                    "Id": policy_id,
                    "Arn": self._world.organization_arn("resourcepolicy", f"/{policy_id}"),
                },
                "Content": json.dumps(document),
            }
        }
