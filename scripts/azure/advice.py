"""What to do about what `az` says: a table from parts of its messages to advice.

The first row that fits is taken, so the particular stands before the general.
"""

import re
from typing import Final

_LOOK_FOR_REGIONS: Final = (
    "az provider show --namespace Microsoft.DurableTask"
    " --query \"resourceTypes[?resourceType=='schedulers'].locations | [0]\" -o tsv"
)

ADVICE: Final[tuple[tuple[str, str], ...]] = (
    (
        r"az login|AADSTS\d+|No subscription found|token .*(expired|revoked)",
        "Sign in: az login (with --tenant TENANT if you have several), then run this again.",
    ),
    (
        r"SubscriptionNotFound|InvalidSubscriptionId|subscription .*(doesn't exist|not exist)",
        (
            "No such subscription for your sign-in: az account list -o table shows yours;"
            " --subscription or az account set --subscription ID chooses one."
        ),
    ),
    (
        r"ReadOnlyDisabledSubscription|SubscriptionNotActive|subscription .*disabled",
        "The subscription is disabled: see its state in the portal, or use --subscription.",
    ),
    (
        r"'?durabletask'? is misspelled|extension durabletask|No matching extensions",
        (
            "az's extension is missing: az extension add --name durabletask"
            " (az 2.75 or newer; az upgrade)."
        ),
    ),
    (
        r"Pip failed|extension index|Unable to retrieve the metadata|Failed to (get|download)",
        (
            "The extension could not be downloaded: check the network and the proxy (HTTPS_PROXY),"
            " then az extension add --name durabletask."
        ),
    ),
    (
        r"unrecognized arguments|the following arguments are required",
        (
            "az or its extension is of another version than this script knows:"
            " az upgrade, and az extension update --name durabletask."
        ),
    ),
    (
        r"MissingSubscriptionRegistration|not registered to use namespace",
        (
            "A resource provider is not registered: az provider register --namespace {namespace}"
            " --wait (it needs the role Contributor on the subscription), then run this again."
        ),
    ),
    (
        r"register/action",
        (
            "You may not register resource providers: somebody with the role Contributor on the"
            " subscription does it once: az provider register --namespace {namespace} --wait."
        ),
    ),
    (
        r"roleAssignments/(write|read)",
        (
            "You may not assign roles: somebody with the role Owner, User Access Administrator or"
            " Role Based Access Control Administrator on the task hub or above runs the command"
            " shown last; then you run this again."
        ),
    ),
    (
        r"Insufficient privileges|Authorization_RequestDenied|/me request is only valid",
        (
            "Your sign-in may not read the directory: pass the object id of who gets the role with"
            " --assignee (in the portal: Microsoft Entra ID, Users)."
        ),
    ),
    (
        r"PrincipalNotFound|Cannot find user or service principal|does not exist in the directory",
        (
            "The directory does not know that id (yet): a new identity takes minutes at times."
            " Run this again."
        ),
    ),
    (
        r"RequestDisallowedByPolicy",
        (
            "A policy of your organisation forbids it, and the message names it: ask its owner, or"
            " use another location, SKU or resource group."
        ),
    ),
    (
        r"ScopeLocked",
        "A lock is on it: az lock list -g GROUP -o table shows which; whoever set it removes it.",
    ),
    (
        r"AuthorizationFailed|does not have authorization|LinkedAuthorizationFailed|Forbidden",
        (
            "You need the role Contributor on the resource group, and on the subscription to create"
            " one: ask its owner, or use another with -g."
        ),
    ),
    (
        r"Quota|limit (has been )?(reached|exceeded)|exceed(s|ed)? .*(limit|maximum)",
        (
            "A quota is used up: delete a scheduler that nobody needs (az durabletask scheduler"
            " list -o table), use another --location or --sku, or ask for more in the portal."
        ),
    ),
    (
        (
            r"LocationNotAvailable|NoRegisteredProviderFound|InvalidLocation"
            r"|not available (in|for) (location|the region)|location .*not (available|supported)"
        ),
        f"The scheduler is not sold in that region; these are its regions: {_LOOK_FOR_REGIONS}",
    ),
    (
        r"InvalidResourceGroupLocation|InvalidResourceLocation|already exists in location",
        "That name exists in another location: use its location, or another name.",
    ),
    (
        r"NestedResource|still (has|contains)|CannotDelete",
        "Something is still in it: scripts/azure-status shows its task hubs; run this again.",
    ),
    (
        r"NameNotAvailable|AlreadyExists|already (exists|taken|in use)|name .*(taken|unavailable)",
        "The name is taken: choose another with --name.",
    ),
    (
        r"ResourceGroupBeingDeleted|deprovisioning|being deleted|AnotherOperationInProgress",
        "It is being changed or deleted: wait until that is done, then run this again.",
    ),
    (
        r"TooManyRequests|\b429\b|throttl",
        "Azure asks for fewer calls: wait a minute, then run this again.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED",
        "TLS is intercepted on your network: set REQUESTS_CA_BUNDLE to its certificates.",
    ),
    (
        (
            r"Failed to establish|Max retries|NameResolutionError|Name or service not known"
            r"|Connection (refused|reset|aborted)|timed out|getaddrinfo"
        ),
        (
            "Azure cannot be reached: check the network and the proxy (HTTPS_PROXY), then run this"
            " again."
        ),
    ),
    (
        r"InternalServerError|ServiceUnavailable|\b50[0234]\b",
        "Azure failed, not you: run this again later; https://status.azure.com tells of outages.",
    ),
)
UNKNOWN: Final = "Run the command shown last by itself, with --debug, to see more."

_NAMESPACE: Final = re.compile(r"namespace '([A-Za-z.]+)'|action '([A-Za-z.]+)/register/action'")


def advice_on(said: str) -> str:
    """What to do about an error message of `az`."""
    for pattern, advice in ADVICE:
        if re.search(pattern, said, re.IGNORECASE | re.DOTALL):
            return advice.format(namespace=_namespace_in(said))
    return UNKNOWN


def _namespace_in(said: str) -> str:
    found = _NAMESPACE.search(said)
    return (found[1] or found[2]) if found else "Microsoft.DurableTask"
