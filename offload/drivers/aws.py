"""AWS."""


def credentials_source() -> str | None:
    """Where boto3 finds credentials (`env`, `shared-credentials-file`, …); None if nowhere.

    Looks at this machine only: nothing is sent.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        found = boto3.Session().get_credentials()
    except BotoCoreError:
        return None
    return str(found.method) if found else None
